"""What is finished of a stage lies in a real S3 server until the stage is done."""

import threading
import time
from pathlib import Path

import pytest

from z1.errors import InputError
from z1.versioning import connection, mirror
from z1.versioning.connection import parse_address
from z1.versioning.mirror import Mirror
from z1.versioning.s3 import find, upload

PART = 5 * 2**20
KEY = "0123abcd"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(mirror, "PAUSE", 0.2)
    monkeypatch.setattr(connection, "PATIENCE", 2.0)


def open_mirror(address: str, folder: Path) -> Mirror:
    folder.mkdir(exist_ok=True)
    return Mirror(address, KEY, "tops", folder)


def write_checkpoint(folder: Path, number: int, size: int = 10) -> Path:
    path = folder / "checkpoints" / f"checkpoint-{number}"
    path.mkdir(parents=True)
    (path / "model").write_bytes(bytes([number]) * size)
    (path / "whole").touch()
    return path


def wait_for(is_so) -> None:
    deadline = time.monotonic() + 300  # a server that was killed takes a while to take files again
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(server, address: str) -> set[str]:
    place = parse_address(address)
    found = server.client().list_objects_v2(Bucket=place.bucket, Prefix=f"{place.key}/{KEY}/")
    return {each["Key"].removeprefix(f"{place.key}/{KEY}/") for each in found.get("Contents", [])}


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_parts_and_the_newest_checkpoint_come_back_and_go_in_the_end(server, address, tmp_path):
    first = tmp_path / "first"
    with open_mirror(address, first) as kept:
        for number in range(3):
            part = first / "replies" / f"part-{number}.parquet"
            part.parent.mkdir(exist_ok=True)
            part.write_bytes(b"%d" % number)
            kept.keep(part)
        for number in (90, 100):
            kept.keep(write_checkpoint(first, number))
            wait_for(lambda n=number: find(f"{address}/{KEY}/checkpoints/checkpoint-{n}"))
        (first / "unfinished").write_bytes(b"0")
        wait_for(lambda: not any("checkpoint-90" in name for name in names(server, address)))
        wait_for(lambda: not list((first / ".kept").iterdir()))
    assert not (first / ".kept").exists()
    with open_mirror(address, tmp_path / "second") as kept:
        kept.restore()
        assert read_all(tmp_path / "second") == {
            "replies/part-0.parquet": b"0",
            "replies/part-1.parquet": b"1",
            "replies/part-2.parquet": b"2",
            "checkpoints/checkpoint-100/model": bytes([100]) * 10,
            "checkpoints/checkpoint-100/whole": b"",
        }
    kept.remove()
    assert names(server, address) == set()


def test_a_checkpoint_is_sent_though_its_trainer_removes_it(server, address, tmp_path, monkeypatch):
    may_send = threading.Event()
    put = mirror.put
    monkeypatch.setattr(mirror, "put", lambda *given: may_send.wait(300) and put(*given))
    with open_mirror(address, tmp_path / "work") as kept:
        for number in range(1, 6):
            checkpoint = write_checkpoint(tmp_path / "work", number)
            kept.keep(checkpoint)
            (checkpoint / "model").unlink()
        snapshots = list((tmp_path / "work" / ".kept").iterdir())
        assert len(snapshots) <= 2  # one being sent, one waiting
        may_send.set()
        wait_for(lambda: find(f"{address}/{KEY}/checkpoints/checkpoint-5"))
    with open_mirror(address, tmp_path / "second") as kept:
        kept.restore()
    assert read_all(tmp_path / "second") == {
        "checkpoints/checkpoint-5/model": bytes([5]) * 10,
        "checkpoints/checkpoint-5/whole": b"",
    }


def test_what_is_damaged_or_half_there_is_passed_over_with_a_note(server, address, tmp_path, capfd):
    work = tmp_path / "work"
    with open_mirror(address, work) as kept:
        for name in ("a", "b", "c"):
            (work / name).write_bytes(name.encode())
        write_checkpoint(work, 9)
        write_checkpoint(work, 10, 2 * PART)
    for name in ("a", "b", "c", "checkpoints/checkpoint-9", "checkpoints/checkpoint-10"):
        upload(work / name, f"{address}/{KEY}/{name}")
    place = parse_address(f"{address}/{KEY}")
    for name, content in {
        "b": b"x",
        "c.z1.json": b"{",
        "checkpoints/checkpoint-10/model": bytes([10]) * (2 * PART - 1),
        "checkpoints/checkpoint-11/model": b"of an upload that was cut off",
    }.items():
        server.client().put_object(Bucket=place.bucket, Key=place.key_of(name), Body=content)
    with open_mirror(address, tmp_path / "second") as kept:
        kept.restore()
    assert read_all(tmp_path / "second") == {
        "a": b"a",
        "checkpoints/checkpoint-9/model": bytes([9]) * 10,
        "checkpoints/checkpoint-9/whole": b"",
    }
    said = capfd.readouterr().out
    for name in ("/b ", "/c:", "checkpoint-10/model "):
        assert name in said
    assert "1 files there are of uploads that were cut off" in said
    kept.remove()
    assert names(server, address) == set()


def test_a_server_that_is_gone_for_a_while_does_not_stop_the_work(
    server, address, tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr(connection, "PATIENCE", 600.0)
    work = tmp_path / "work"
    with open_mirror(address, work) as kept:
        server.kill()
        (work / "a").write_bytes(b"a")
        started = time.monotonic()
        kept.keep(work / "a")
        assert time.monotonic() - started < 300
        monkeypatch.setattr(connection, "PATIENCE", 0.3)
        wait_for(lambda: "tops goes on and sends later what" in capfd.readouterr().out)
        server.start()
        wait_for(lambda: find(f"{address}/{KEY}/a"))
    kept.remove()


def test_a_server_that_is_gone_at_the_end_does_not_hold_up_the_work(
    server, address, tmp_path, monkeypatch, capfd
):
    work = tmp_path / "work"
    with open_mirror(address, work) as kept:
        server.kill()
        monkeypatch.setattr(connection, "PATIENCE", 600.0)
        (work / "a").write_bytes(b"a")
        kept.keep(work / "a")
        wait_for(lambda: "waiting for it to answer" in capfd.readouterr().err)
        started = time.monotonic()
    assert time.monotonic() - started < 300
    monkeypatch.setattr(connection, "PATIENCE", 0.3)
    kept.remove()
    assert "The step is done; remove s3://" in capfd.readouterr().out


def test_work_that_fails_first_sends_what_is_finished(server, address, tmp_path):
    work = tmp_path / "work"

    def fail() -> None:
        with open_mirror(address, work) as kept:
            for number in range(8):
                (work / f"part-{number}").write_bytes(b"1")
                kept.keep(work / f"part-{number}")
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    with open_mirror(address, tmp_path / "second") as kept:
        kept.restore()
    assert len(read_all(tmp_path / "second")) == 8


def test_two_pods_that_write_at_once_leave_whole_pieces(server, address, tmp_path):
    """The first is given up but alive, and slower; both write the same names and other bytes."""
    folders = [tmp_path / "slow", tmp_path / "fast"]
    mirrors = [open_mirror(address, folder) for folder in folders]
    with mirrors[0], mirrors[1]:
        for number in range(1, 5):
            for kept, folder in zip(mirrors, folders, strict=True):
                part = folder / f"part-{number}.parquet"
                part.write_bytes(folder.name.encode() * 1000)
                kept.keep(part)
                ahead = 10 if folder.name == "fast" else 0
                kept.keep(write_checkpoint(folder, number + ahead))
        wait_for(lambda: find(f"{address}/{KEY}/checkpoints/checkpoint-14"))
        wait_for(lambda: not mirrors[0]._waiting and not mirrors[1]._waiting)
        with open_mirror(address, tmp_path / "third") as third:
            third.restore()
    found = read_all(tmp_path / "third")
    assert found["checkpoints/checkpoint-14/model"] == bytes([14]) * 10
    assert not any("checkpoint-4" in name for name in found)
    for name, content in found.items():
        if name.startswith("part"):
            assert content in (b"slow" * 1000, b"fast" * 1000)
    for kept in mirrors:
        kept.remove()
    assert names(server, address) == set()


def test_nothing_is_left_of_an_upload_that_was_cut_off(server, address, tmp_path):
    place = parse_address(f"{address}/{KEY}")
    server.client().create_multipart_upload(
        Bucket=place.bucket, Key=place.key_of("checkpoints/checkpoint-1/model")
    )
    with open_mirror(address, tmp_path / "work") as kept:
        pass
    kept.remove()
    found = server.client().list_multipart_uploads(Bucket=place.bucket, Prefix=place.key)
    assert not found.get("Uploads")


@pytest.mark.parametrize("wrong", ["credentials", "bucket"])
def test_what_makes_s3_impossible_is_told_at_once(server, address, tmp_path, monkeypatch, wrong):
    message = "there is no bucket elsewhere"
    if wrong == "credentials":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        message = "refuses access"
    else:
        address = "s3://elsewhere/x"
    with pytest.raises(InputError, match=message), open_mirror(address, tmp_path / "work"):
        raise AssertionError
