"""Git, as a registry uses it, on real repositories."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import gto.api
import pytest

from z1.environment import environment
from z1.errors import InputError
from z1.versioning import registry as registry_module
from z1.versioning.lineage import list_ancestors
from z1.versioning.registry import Registry, Storage, open_registry
from z1.versioning.versions import find_version, list_versions, next_number, promote


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode()


@pytest.fixture(autouse=True)
def _nobodys_settings(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def url(tmp_path) -> str:
    """A bare repository with one commit."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "registry.git")
    write(Registry(str(tmp_path / "registry.git"), tmp_path / "first"), "start", [])
    return str(tmp_path / "registry.git")


def write(registry: Registry, name: str, tags: list[str]) -> list[str]:
    """Commit a file of that name and tag it; without tags, push it too."""
    (registry.folder / name).write_text(name)
    registry.git("add", "--all")
    registry.git("commit", "--quiet", "--message", name)
    for tag in tags:
        registry.tag(tag, "HEAD", tag)
    if not tags:
        registry.git("push", "--quiet", "origin", "HEAD")
    return tags


def test_who_comes_second_makes_the_change_anew_on_top_of_the_first(url):
    numbers = []

    def publish(registry: Registry, name: str) -> list[str]:
        numbers.append(number := next_number(registry, "model"))
        return write(registry, name, [f"model@v{number}.0.0"])

    with open_registry(url) as mine:

        def change() -> list[str]:
            if not numbers:
                tags = publish(mine, "mine")
                with open_registry(url) as other:
                    other.push(lambda: publish(other, "other"))
                return tags
            return publish(mine, "mine")

        mine.push(change)
        assert numbers == [1, 1, 2]
        assert [str(version) for version in list_versions(mine)] == ["model@v2", "model@v1"]
    files = git(Path(url), "ls-tree", "--name-only", "model@v2.0.0").split()
    assert files == ["mine", "other", "start"]
    assert git(Path(url), "ls-tree", "--name-only", "model@v1.0.0").split() == ["other", "start"]
    # Where the user's Git names nobody, z1 commits in its own name.
    assert git(Path(url), "log", "-1", "--format=%an <%ae>") == "z1 <z1@localhost>\n"


def test_a_version_taken_back_is_no_longer_the_latest_and_its_number_not_used_again(url):
    with open_registry(url) as registry:
        registry.push(lambda: write(registry, "a", ["model@v1.0.0"]))
        registry.push(lambda: write(registry, "b", ["model@v2.0.0"]))
        gto.api.deregister(str(registry.folder), "model", version="v2.0.0", author_email="a@b")
        versions = list_versions(registry)
        assert str(find_version(versions, "model@latest")) == "model@v1"
        assert not find_version(versions, "model@v2").active  # what was made from it knows it still
        with pytest.raises(InputError, match=r"it has model@v1$"):
            find_version(versions, "model@v3")
        for written in ("model@1", "model@1.0.0", "model@V1", "model#v1"):
            with pytest.raises(InputError, match=r"it has model@v1; write model@v1$"):
                find_version(versions, written)
        registry.git("push", "--quiet", "--tags")
        with pytest.raises(InputError, match="was taken back"):
            promote(registry, "model@v2", "prod")
        promote(registry, "model@v1", "prod")
        with pytest.raises(InputError, match=r"write model#prod$"):
            find_version(list_versions(registry), "model@prod")
        assert next_number(registry, "model") == 3


def test_an_ancestor_whose_tag_is_gone_is_named_with_where_it_was(url):
    parent = {"version": "data@v1", "content": "s3://bucket/data", "digest": "d"}
    known = {"name": "model", "kind": "model", "step": "tops", "key": "k", "content": "s3://b/m"}
    known |= {"digest": "d", "size": 1, "recipe": "demo", "parents": [parent]}
    with open_registry(url) as registry:
        (registry.folder / "model").mkdir()
        (registry.folder / "model" / "version.json").write_text(json.dumps(known))
        write(registry, "a", ["model@v1.0.0", "other@v1.0.0"])
        versions = list_versions(registry)
        with pytest.raises(InputError, match=r"model@v1: was made from data@v1, which") as caught:
            list_ancestors(versions, find_version(versions, "model@v1"))
    assert "s3://bucket/data" in str(caught.value)
    assert "other" not in str(caught.value)


def test_a_repository_whose_head_names_no_branch_is_used_if_it_has_one(url, tmp_path):
    git(Path(url), "symbolic-ref", "HEAD", "refs/heads/gone")
    with open_registry(url) as registry:
        assert registry.branch == "main"
    git(Path(url), "branch", "second", "main")
    with pytest.raises(InputError, match="git symbolic-ref HEAD"), open_registry(url):
        pass


@pytest.fixture
def guarded() -> Iterator[str]:
    """A server that wants a password."""

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Guard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/models.git"
    server.shutdown()


def test_what_cannot_be_had_is_told_and_nobody_is_asked(guarded, tmp_path):
    (tmp_path / "plain").mkdir()
    for place, reason in [
        (guarded, "refuses access; check the credentials"),
        ("http://127.0.0.1:9/models.git", "cannot be reached"),
        (str(tmp_path / "plain"), "is no Git repository; `git init --bare`"),
        (str(tmp_path / "nothing"), "is no Git repository, or none"),
    ]:
        with pytest.raises(InputError, match=f"{place}: {reason}"), open_registry(place):
            pass


def test_a_secret_in_a_url_is_never_shown(guarded, monkeypatch):
    monkeypatch.setenv("GIT_SSH_COMMAND", "echo wrong >&2; false")
    for place in (
        guarded.replace("//", "//me:secret@"),
        guarded.replace("//", "//secret@"),
        "http://me:secret@127.0.0.1:9/models.git",
        "ssh://git:secret@127.0.0.1:9/models.git",
    ):
        shown = r"registry \w+://(git@)?127"
        with pytest.raises(InputError, match=shown) as caught, open_registry(place):
            pass
        assert "secret" not in str(caught.value)


def test_a_signature_that_cannot_be_made_is_told_once(url, monkeypatch):
    for number, (key, value) in enumerate([("commit.gpgsign", "true"), ("gpg.program", "false")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    with open_registry(url) as registry:
        monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
        said = f"registry {url}: gpg failed to sign the data. Nothing was changed there"
        with pytest.raises(InputError, match=said) as caught:
            registry.push(lambda: write(registry, "a", ["model@v1.0.0"]))
    assert "error:" not in str(caught.value)


def test_a_repository_with_files_checked_out_is_told_to_be_bare(url, tmp_path, monkeypatch):
    monkeypatch.setattr(registry_module, "_PAUSE", 0.0)
    git(tmp_path, "clone", "--quiet", url, "work")
    said = "use a bare repository, which `git clone --bare`"
    work = str(tmp_path / "work")
    with open_registry(work) as registry, pytest.raises(InputError, match=said):
        registry.push(lambda: write(registry, "a", ["model@v1.0.0"]))


def test_sigterm_leaves_nothing_behind(tmp_path):
    flag, scratch = tmp_path / "flag", tmp_path / "scratch"
    scratch.mkdir()
    ssh = f"touch {flag}; cat > /dev/null; false"  # waits until Git is gone
    process = subprocess.Popen(
        [sys.executable, "-m", "z1.cli", "versions", "--registry", "ssh://git@host/models.git"],
        env={**os.environ, "GIT_SSH_COMMAND": ssh, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not flag.exists() and process.poll() is None:
        time.sleep(0.01)
    assert list(scratch.iterdir())
    process.terminate()
    assert process.communicate()[1] == "stopped\n"
    assert process.returncode == 130
    assert not list(scratch.iterdir())


def test_what_a_dvc_remote_says_of_its_server_counts_for_a_while(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    said = {"AWS_PROFILE": "theirs", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    with environment(Storage("storage", "s3://bucket", said).environment):
        assert said.items() <= os.environ.items()
    assert os.environ["AWS_PROFILE"] == "mine"
    assert "AWS_ENDPOINT_URL_S3" not in os.environ
