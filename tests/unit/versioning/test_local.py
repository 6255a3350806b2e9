"""The local S3 server: started, found in use and ended, as `make s3` does it."""

import fcntl
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from z1.errors import InputError
from z1.versioning import local

Running = tuple["subprocess.Popen[str]", dict[str, str]]


@pytest.fixture
def running(_server, tmp_path) -> Iterator[Running]:
    """The server in the folder ``s3``, and what it printed for people to export."""
    command = [sys.executable, "-m", "z1.versioning.local", str(tmp_path / "s3")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    exported = {}
    for line in process.stdout:
        if line.startswith("#"):
            break
        name, _, value = line.removeprefix("export ").strip().partition("=")
        exported[name] = value
    try:
        yield process, exported
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def is_in_use(folder: Path) -> bool:
    """Tell whether the server itself, which holds the lock, is alive."""
    with (folder / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_folder_has_one_server_which_ends_with_what_started_it(running, tmp_path):
    process, exported = running
    port = (tmp_path / "s3" / "port").read_text()
    assert exported["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"
    with pytest.raises(InputError, match=f"at work there already, at http://127.0.0.1:{port} "):
        local.start(tmp_path / "s3", local.find_port())
    assert is_in_use(tmp_path / "s3")
    assert (tmp_path / "s3" / "port").read_text() == port
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert not is_in_use(tmp_path / "s3")


@pytest.mark.usefixtures("_server")
def test_what_is_stored_can_be_read_as_soon_as_the_server_has_started_again(tmp_path, monkeypatch):
    for turn in range(3):
        port = local.find_port()
        process = local.start(tmp_path / "s3", port)
        for name, value in local.make_environment(port).items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
        try:
            if turn == 0:
                client.put_object(Bucket=local.BUCKET, Key="a/b", Body=b"content")
            body = client.get_object(Bucket=local.BUCKET, Key="a/b")["Body"]
            assert body.read() == b"content"
            [kept] = client.list_objects_v2(Bucket=local.BUCKET)["Contents"]
            assert kept["Key"] == "a/b"
        finally:
            local.end(process)


def test_a_folder_keeps_its_port_unless_that_is_taken(tmp_path, monkeypatch):
    port, before = local.choose_port(tmp_path)
    assert before is None
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        (tmp_path / "port").write_text(str(taken))
        port, before = local.choose_port(tmp_path)
        assert port != before == taken
    monkeypatch.setattr(local, "_is_free", lambda port: True)
    assert local.choose_port(tmp_path) == (taken, taken)


@pytest.mark.usefixtures("_server")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        local.start(tmp_path / "file", local.find_port())
