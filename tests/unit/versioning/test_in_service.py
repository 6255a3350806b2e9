"""The model in service: bringing it, replacing it by a better one, and giving its place back."""

import json
import subprocess

import pytest

from z1.recipe import Publish
from z1.stages import run_stage
from z1.stages.incumbent import INCUMBENT
from z1.versioning import local
from z1.versioning.registry import open_registry
from z1.versioning.versions import promote


@pytest.fixture
def recipe(demo, models):
    return demo.model_copy(update={"name": "mine", "publish": Publish(registry=str(models))})


def put(models, version, stage="prod"):
    with open_registry(str(models)) as registry:
        promote(registry, version, stage)


def bring(recipe, tmp_path):
    return run_stage("incumbent", recipe, "publish", {}, tmp_path / "incumbent")


def read(tmp_path):
    return json.loads((tmp_path / "incumbent" / INCUMBENT).read_text())


def test_without_a_registry_there_is_no_incumbent(demo, tmp_path, capsys):
    record = bring(demo, tmp_path)
    assert record["kept"] == 0
    assert set(record["files"]) == {INCUMBENT}
    assert read(tmp_path)["version"] is None
    assert "names no registry" in capsys.readouterr().out


def test_the_model_in_service_is_brought_with_its_version(recipe, models, two_versions, tmp_path):
    put(models, "mine@v1", "staging")
    assert bring(recipe, tmp_path)["kept"] == 0
    assert "no version of mine is in service" in read(tmp_path)["text"]
    put(models, "mine@v1")
    record = bring(recipe, tmp_path)
    folder = tmp_path / "incumbent"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    published = two_versions / "v1"
    content = {path.relative_to(published).as_posix() for path in published.rglob("*.*")}
    assert found == {*content, INCUMBENT, "stage.json"}
    assert (folder / "more" / "which.txt").read_text() == "v1"
    known = read(tmp_path)
    assert (known["version"], known["key"]) == ("mine@v1", "v1" * 32)
    assert known["content"].startswith(f"s3://{local.BUCKET}/models/")
    command = ["git", "-C", str(models), "rev-parse", "mine@v1.0.0^{commit}"]
    assert known["commit"] == subprocess.check_output(command, text=True).strip()
    assert record["details"] == known


def test_each_run_asks_the_registry_again(recipe, models, tmp_path):
    put(models, "mine@v1")
    first = bring(recipe, tmp_path)
    written = (tmp_path / "incumbent" / "stage.json").stat().st_mtime_ns
    assert bring(recipe, tmp_path) == first
    assert (tmp_path / "incumbent" / "stage.json").stat().st_mtime_ns == written
    put(models, "mine@v2")
    assert bring(recipe, tmp_path)["key"] != first["key"]
    assert read(tmp_path)["version"] == "mine@v2"
    assert (tmp_path / "incumbent" / "more" / "which.txt").read_text() == "v2"


def test_a_pull_that_was_cut_off_is_gone_on_with(
    recipe, models, two_versions, tmp_path, monkeypatch
):
    put(models, "mine@v1")
    with monkeypatch.context() as patch:
        patch.setattr("z1.stages.incumbent.write_bytes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bring(recipe, tmp_path)
    assert not (tmp_path / "incumbent").exists()
    assert bring(recipe, tmp_path)["kept"] == 1
    assert (tmp_path / "incumbent" / "more" / "which.txt").read_text() == "v1"
    assert not (tmp_path / "incumbent" / "pulled").exists()
