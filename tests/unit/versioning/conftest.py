"""A real S3 server, SeaweedFS, which tests may kill and start again."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from z1.errors import InputError
from z1.tiny import MODEL
from z1.versioning import connection, local, manifest
from z1.versioning.publishing import Artifact, publish

PART = 5 * 2**20  # S3's smallest


class Server:
    """SeaweedFS at a port of its own, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, local.find_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = local.start(self.folder, self.port)

    def kill(self) -> None:
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def client(self) -> Any:
        return boto3.client("s3")


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
    except InputError as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise
    yield server
    server.kill()


@pytest.fixture
def server(_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, up, and the environment in which it is used."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in local.make_environment(_server.port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setattr(connection, "PATIENCE", 300.0)
    monkeypatch.setattr(manifest, "PART_BYTES", PART)
    yield _server
    if _server.process is None:
        _server.start()


@pytest.fixture(scope="module")
def environment(_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The server's environment, and nobody's settings, for what a module's tests share."""
    with _environment_of(_server, tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture(scope="session")
def two_versions(_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry, ``models.git``, and its two versions of ``mine``, ``v1``, ``v2``.

    Each is the tiny model with one file more, which says which it is.
    """
    folder = tmp_path_factory.mktemp("models")
    url, clone = folder / "models.git", folder / "start"
    (clone / ".dvc").mkdir(parents=True)
    (clone / ".dvc" / "config").write_text(
        "[core]\n    remote = storage\n"
        f"['remote \"storage\"']\n    url = s3://{local.BUCKET}/models\n"
    )
    with _environment_of(_server, folder):
        for place, *command in (
            (folder, "init", "--quiet", "--bare", str(url)),
            (clone, "init", "--quiet"),
            (clone, "add", "--all"),
            (clone, "commit", "--quiet", "--message", "Start of the registry"),
            (clone, "push", "--quiet", str(url), "HEAD"),
        ):
            named = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
            subprocess.run(["git", *named, *command], cwd=place, check=True)
        for number in ("v1", "v2"):
            model = Path(shutil.copytree(MODEL, folder / number))
            (model / "more").mkdir()
            (model / "more" / "which.txt").write_text(number)
            artifact = Artifact("mine", "model", "tops", number * 32, model, (), {}, {})
            publish(str(url), [artifact], "mine", "")
    return folder


@contextmanager
def _environment_of(server: Server, home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (_nobodys(home) | local.make_environment(server.port)).items():
            patch.setenv(name, value)
        yield


def _nobodys(home: Path) -> dict[str, str]:
    """Return an environment with nobody's settings."""
    return {"GIT_CONFIG_GLOBAL": os.devnull, "DVC_NO_ANALYTICS": "1", "HOME": str(home)}


@pytest.fixture
def models(
    server: Server, two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A registry of the test's own: a copy of the one in ``two_versions``."""
    monkeypatch.setattr(manifest, "PART_BYTES", 16 * 2**20)  # as they were published
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name)  # a device is no such file to DVC
    for name, value in _nobodys(tmp_path).items():
        monkeypatch.setenv(name, value)
    return Path(shutil.copytree(two_versions / "models.git", tmp_path / "models.git"))


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """An address of the test's own."""
    return f"s3://{local.BUCKET}/{re.sub(r'[^a-z0-9]+', '-', request.node.name)}"
