"""Publishing into registries that hold what others put there."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from z1.errors import InputError
from z1.versioning import local
from z1.versioning.listing import list_artifacts
from z1.versioning.publishing import Artifact, publish


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(autouse=True)
def _nobodys_settings(server, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.delenv("AWS_CONFIG_FILE")  # a device is no such file to DVC
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")


@pytest.fixture
def clone(tmp_path) -> Path:
    """A clone of a registry with nothing in it."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "registry.git")
    git(tmp_path, "clone", "--quiet", "registry.git", "clone")
    clone = tmp_path / "clone"
    (clone / ".dvc").mkdir()
    remote = f"url = s3://{local.BUCKET}/others"
    (clone / ".dvc" / "config").write_text(
        f"[core]\n    remote = storage\n['remote \"storage\"']\n    {remote}\n"
    )
    return push(clone)


def push(clone: Path) -> Path:
    git(clone, "add", "--all", "--force")
    git(clone, "commit", "--quiet", "--message", "Change")
    git(clone, "push", "--quiet", "origin", "HEAD")
    return clone


def publish_model(clone: Path) -> dict[str, str]:
    """Publish a dataset and a model that was made from it; return their versions."""
    artifacts = []
    for name, kind, parents in (("demo/seed", "dataset", ()), ("demo", "model", ("demo/seed",))):
        folder = clone.parent / "outputs" / name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "content").write_text(name)
        artifacts.append(Artifact(name, kind, "step", name, folder, parents, {}, {}))
    outcomes = publish(str(clone.parent / "registry.git"), artifacts, "demo", "name: demo\n")
    return {name: outcome.version for name, outcome in outcomes.items()}


def test_what_is_in_the_way_is_named_and_nothing_outside_is_written(clone, tmp_path):
    (tmp_path / "theirs").mkdir()
    (clone / "demo").write_text("a file")
    push(clone)
    with pytest.raises(InputError, match=r"registry\.git: demo is in the way"):
        publish_model(clone)
    (clone / "demo").unlink()
    (clone / "demo").symlink_to(tmp_path / "theirs")
    push(clone)
    with pytest.raises(InputError, match=r"registry\.git: demo is in the way"):
        publish_model(clone)
    (clone / "demo").unlink()
    (clone / "demo" / "version.json").mkdir(parents=True)
    (clone / "demo" / "version.json" / "file").write_text("a file")
    push(clone)
    with pytest.raises(InputError, match=r"demo/version\.json is in the way"):
        publish_model(clone)
    shutil.rmtree(clone / "demo" / "version.json")
    (tmp_path / "theirs" / "file").write_text("theirs")
    (clone / "demo" / "version.json").symlink_to(tmp_path / "theirs" / "file")
    push(clone)
    assert publish_model(clone) == {"demo/seed": "demo/seed@v1", "demo": "demo@v1"}
    assert (tmp_path / "theirs" / "file").read_text() == "theirs"
    assert list((tmp_path / "theirs").iterdir()) == [tmp_path / "theirs" / "file"]


@pytest.mark.parametrize("text", ["", "# ours\n", "artifacts:\nmetrics:\n", "metrics: []\n"])
def test_keys_without_a_value_in_dvc_yaml_are_as_good_as_none(tmp_path, text):
    path = tmp_path / "dvc.yaml"
    path.write_text(text)
    for _ in range(2):
        list_artifacts("here", path, {"demo": "model"})
    assert yaml.safe_load(path.read_text()) == {
        "artifacts": {"demo": {"path": "demo/data", "type": "model"}},
        "metrics": ["demo/metrics.json"],
    }


@pytest.mark.parametrize(
    "text", ["[ broken", "- a list\n", "a: \xff\n", "artifacts: [a]\n", "metrics: {a: b}\n"]
)
def test_a_dvc_yaml_that_is_none_is_told_and_left_as_it_is(tmp_path, text):
    path = tmp_path / "dvc.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"registry here: its dvc\.yaml is broken"):
        list_artifacts("here", path, {"demo": "model"})
    assert path.read_bytes() == text.encode("latin-1")
    link = tmp_path / "link"
    path.write_text(json.dumps({}))
    link.symlink_to(path)
    with pytest.raises(InputError, match=r"its dvc\.yaml is broken"):
        list_artifacts("here", link, {"demo": "model"})
