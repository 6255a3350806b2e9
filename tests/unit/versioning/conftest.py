"""A real S3 server, SeaweedFS, which tests may kill and start again."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from z1.errors import InputError
from z1.versioning import connection, local, manifest

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


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """An address of the test's own."""
    return f"s3://{local.BUCKET}/{re.sub(r'[^a-z0-9]+', '-', request.node.name)}"
