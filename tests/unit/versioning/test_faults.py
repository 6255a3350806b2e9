"""Nothing is lost, and one sentence says why."""

import io
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from botocore.httpsession import URLLib3Session

from z1.errors import InputError
from z1.versioning import connection, downloading, multipart
from z1.versioning.connection import parse_address
from z1.versioning.manifest import Part
from z1.versioning.s3 import download, find, upload

PART = 5 * 2**20


def make_folder(folder: Path, parts: int = 3) -> Path:
    folder.mkdir()
    (folder / "small").write_bytes(b"small")
    (folder / "large").write_bytes(os.urandom(parts * PART))
    return folder


def replace(server, address: str, path: str, content: bytes) -> None:
    """Change an object behind its manifest's back."""
    place = parse_address(address)
    server.client().put_object(Bucket=place.bucket, Key=place.key_of(path), Body=content)


def at_part(monkeypatch, number: int, action) -> list[int]:
    """Do something when a part of a large file is about to be sent; return the parts read."""
    read: list[int] = []
    original = multipart.read_part

    def read_part(path: Path, part: Part) -> bytes:
        read.append(part.number)
        if part.number == number:
            action()
        return original(path, part)

    monkeypatch.setattr(multipart, "read_part", read_part)
    return read


def test_an_upload_outlives_its_server(server, address, tmp_path, monkeypatch, capfd):
    folder = make_folder(tmp_path / "folder", parts=12)

    again = threading.Timer(3.0, server.start)

    def crash() -> None:
        server.kill()
        again.start()

    at_part(monkeypatch, 9, crash)
    monkeypatch.setattr(connection, "PATIENCE", 300.0)
    upload(folder, address)
    again.join()
    assert "waiting for it to answer" in capfd.readouterr().err
    download(address, tmp_path / "copy")
    assert (tmp_path / "copy" / "large").read_bytes() == (folder / "large").read_bytes()


def test_an_upload_that_gave_up_goes_on(server, address, tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "folder", parts=12)
    monkeypatch.setattr(connection, "PATIENCE", 0.0)
    monkeypatch.setattr(multipart, "CONNECTIONS", 4)  # so that some parts are there by then
    with monkeypatch.context() as context:
        at_part(context, 9, server.kill)
        with pytest.raises(InputError, match=r"cannot be reached.*run again to go on"):
            upload(folder, address)
    server.start()
    monkeypatch.setattr(connection, "PATIENCE", 300.0)
    assert find(address) is None
    place = parse_address(address)
    [unfinished] = server.client().list_multipart_uploads(
        Bucket=place.bucket, Prefix=place.key_of("large")
    )["Uploads"]
    parts = server.client().list_parts(
        Bucket=place.bucket, Key=unfinished["Key"], UploadId=unfinished["UploadId"]
    )["Parts"]
    assert parts
    sent: list[int] = []
    ask = connection.Connection.ask

    def count(self, operation, key, **fields):
        if operation == "upload_part":
            sent.append(fields["PartNumber"])
        return ask(self, operation, key, **fields)

    monkeypatch.setattr(connection.Connection, "ask", count)
    upload(folder, address)
    assert sorted(sent) == sorted(set(range(1, 13)) - {part["PartNumber"] for part in parts})
    download(address, tmp_path / "copy")
    assert (tmp_path / "copy" / "large").read_bytes() == (folder / "large").read_bytes()


def test_a_download_outlives_its_server(server, address, tmp_path, monkeypatch, capfd):
    folder = make_folder(tmp_path / "folder", parts=12)
    upload(folder, address)
    again = threading.Timer(3.0, server.start)
    fetched: list[int] = []
    original = downloading._fetch_part

    def fetch_part(given, file, part, handle) -> None:
        if file.path == "large":
            fetched.append(part.number)
            if len(fetched) == 5:
                server.kill()
                again.start()
        original(given, file, part, handle)

    monkeypatch.setattr(downloading, "_fetch_part", fetch_part)
    monkeypatch.setattr(connection, "PATIENCE", 300.0)
    download(address, tmp_path / "copy")
    again.join()
    assert sorted(fetched) == list(range(12))
    assert "waiting for it to answer" in capfd.readouterr().err
    assert (tmp_path / "copy" / "large").read_bytes() == (folder / "large").read_bytes()


def test_a_download_that_gave_up_fetches_only_the_rest(server, address, tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "folder", parts=12)
    upload(folder, address)
    come: list[int] = []
    killed = threading.Event()
    original = downloading._fetch_part

    def fetch_part(given, file, part, handle) -> None:
        """Fetch the first half while the server is there and the second when it is gone."""
        if file.path == "large" and part.number >= 6:
            assert killed.wait(60)
        original(given, file, part, handle)
        if file.path == "large":
            come.append(part.number)
            if len(come) == 6 and not killed.is_set():
                server.kill()
                killed.set()

    monkeypatch.setattr(downloading, "_fetch_part", fetch_part)
    monkeypatch.setattr(connection, "PATIENCE", 0.0)
    with pytest.raises(InputError, match=r"cannot be reached.*run again to go on"):
        download(address, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    there = (tmp_path / "copy.partial" / "large").read_bytes()
    assert sorted(come) == list(range(6))
    assert there[: 6 * PART] == (folder / "large").read_bytes()[: 6 * PART]
    server.start()
    come.clear()
    monkeypatch.setattr(connection, "PATIENCE", 300.0)
    download(address, tmp_path / "copy")
    assert sorted(come) == list(range(6, 12))
    assert (tmp_path / "copy" / "large").read_bytes() == (folder / "large").read_bytes()


def test_a_download_is_on_the_disk_before_it_appears(server, address, tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "folder", parts=1)
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "inner" / "file").write_bytes(b"1")
    upload(folder, address)
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        events.append(str(path).removeprefix(str(tmp_path)))
        fsync(handle)

    def noted_rename(path: Path, target: Path) -> Path:
        events.append("renamed")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    download(address, tmp_path / "copy")
    inside = ["", "/large", "/small", "/inner", "/inner/file", "/inner/empty"]
    assert set(events[:-2]) == {f"/copy.partial{path}" for path in inside}
    assert events[-2:] == ["renamed", ""]


@pytest.mark.parametrize(
    ("path", "damage", "complaint"),
    [
        ("large", lambda content: content[:-1], "is not what was uploaded"),
        ("large", lambda content: content[:PART], "is shorter than it was"),
        ("large", lambda content: content + b"x", "is not what was uploaded"),
        (
            "large",
            lambda content: content[:-7] + bytes([content[-7] ^ 1]) + content[-6:],
            "is not what was uploaded",
        ),
        ("small", lambda content: b"smalm", "is not what was uploaded"),
    ],
)
def test_a_damaged_object_is_found_and_mended_by_an_upload(
    server, address, tmp_path, path, damage, complaint
):
    folder = make_folder(tmp_path / "folder", parts=2)
    upload(folder, address)
    replace(server, address, path, damage((folder / path).read_bytes()))
    with pytest.raises(InputError, match=f"{path} {complaint}"):
        download(address, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    upload(folder, address)
    download(address, tmp_path / "copy")
    assert (tmp_path / "copy" / path).read_bytes() == (folder / path).read_bytes()


def test_a_damaged_manifest_is_found_and_replaced(server, address, tmp_path):
    folder = make_folder(tmp_path / "folder", parts=1)
    upload(folder, address)
    place = parse_address(address)
    client = server.client()
    content = client.get_object(Bucket=place.bucket, Key=place.manifest)["Body"].read()
    for damaged in (content[:-9], content.replace(b"small", b"smell")):
        client.put_object(Bucket=place.bucket, Key=place.manifest, Body=damaged)
        with pytest.raises(InputError, match="is damaged"):
            download(address, tmp_path / "copy")
    upload(folder, address)
    download(address, tmp_path / "copy")


def test_a_file_that_changes_meanwhile_is_not_sent_as_it_was(
    server, address, tmp_path, monkeypatch
):
    folder = make_folder(tmp_path / "folder", parts=3)
    at_part(monkeypatch, 2, lambda: os.truncate(folder / "large", PART))
    with pytest.raises(InputError, match="large: was changed"):
        upload(folder, address)
    assert find(address) is None


@pytest.mark.parametrize("path", ["small", "large"])
def test_what_is_damaged_on_the_way_is_sent_again(server, address, tmp_path, monkeypatch, path):
    folder = make_folder(tmp_path / "folder", parts=2)
    content = (folder / path).read_bytes()[:PART]
    damaged = [b"?" + content[1:]]
    send = URLLib3Session.send

    def damage_once(self, request):
        if request.method == "PUT" and damaged and request.body.getvalue() == content:
            request.body = io.BytesIO(damaged.pop())
        return send(self, request)

    monkeypatch.setattr(URLLib3Session, "send", damage_once)
    upload(folder, address)
    assert not damaged
    download(address, tmp_path / "copy")
    assert (tmp_path / "copy" / path).read_bytes() == (folder / path).read_bytes()


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_refused_at_once(server, address, tmp_path, monkeypatch, name):
    folder = make_folder(tmp_path / "folder", parts=1)
    monkeypatch.setenv(name, "wrong")
    with pytest.raises(InputError, match=r"refuses access .*check the credentials"):
        upload(folder, address)
    with pytest.raises(InputError, match=r"refuses access .*check the credentials"):
        download(address, tmp_path / "copy")


def test_missing_credentials_and_profiles_are_named(server, address, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="no credentials; set AWS_ACCESS_KEY_ID"):
        upload(tmp_path, address)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputError, match="nobody"):
        upload(tmp_path, address)


def test_a_missing_bucket_is_named_and_not_made(server, tmp_path):
    folder = make_folder(tmp_path / "folder", parts=1)
    for _ in range(2):
        with pytest.raises(InputError, match="there is no bucket elsewhere at http"):
            upload(folder, "s3://elsewhere/folder")
    with pytest.raises(InputError, match="no bucket elsewhere"):
        download("s3://elsewhere/folder", tmp_path / "copy")


def test_a_server_that_never_was_there_is_named(server, address, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(connection, "PATIENCE", 0.3)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 cannot be reached"):
        find(address)
    assert time.monotonic() - started < 50


ON_A_SMALL_DISK = """
import shutil, sys
from collections import namedtuple
from pathlib import Path
from z1.errors import InputError
from z1.versioning import s3
address, disk, known = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "known"
if not known:
    room = namedtuple("room", "free")
    shutil.disk_usage = lambda path: room(10**15)
try:
    s3.download(address, disk / "copy")
except InputError as error:
    print(error)
print(sorted(path.name for path in disk.iterdir()))
(disk / "other").unlink()
s3.download(address, disk / "copy")
print((disk / "copy" / "small").read_text())
"""


@pytest.mark.parametrize("known", ["known", "unknown"])
def test_a_full_disk_is_told_and_the_download_goes_on_later(server, address, tmp_path, known):
    upload(make_folder(tmp_path / "folder", parts=2), address)
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "script.py").write_text(ON_A_SMALL_DISK)
    inside = f"mount -t tmpfs -o size=16m none {disk} && head -c 10M /dev/zero > {disk}/other && "
    inside += f"exec {sys.executable} {tmp_path}/script.py {address} {disk} {known}"
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", inside]
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            [*command[:-1], f"mount -t tmpfs none {disk}"], capture_output=True
        ).returncode
    ):
        pytest.skip("no small disk can be made here")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told, there, small = done.stdout.splitlines()
    assert "the disk is full" in told
    assert there == "['copy.partial', 'other']"
    assert small == "small"
