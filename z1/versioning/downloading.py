"""From S3 to a file or folder.

What comes is written to ``TARGET.partial``, which is renamed when every part of it is right.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from z1.errors import InputError
from z1.versioning.connection import CONNECTIONS, GONE, SHORT, Connection, code_of
from z1.versioning.manifest import (
    File,
    Manifest,
    NotWholeError,
    Part,
    Report,
    describe,
    list_files,
    parts_of,
)
from z1.versioning.parallel import run_all

MIB = 2**20
_CHUNK = 2**18  # stays in the cache between being hashed and written
_TRIES = 3  # for a part that arrives damaged
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _Wanted(NamedTuple):
    """A part of a file, which may be on the disk already."""

    file: File
    part: Part
    look: bool


def fetch(connection: Connection, manifest: Manifest, target: Path, report: Report) -> None:
    """Make a target what the manifest says. See z1.versioning.s3.download."""
    if _is_filled(target):
        if describe(target).digest == manifest.digest:
            return
        raise InputError(
            f"{target}: is there already and is not {connection.place}; remove or rename it"
        )
    partial = target.with_name(f"{target.name}.partial")
    try:
        with _only_download(partial, manifest):
            _check_room(partial, manifest)
            _fetch_parts(connection, manifest, partial, report)
            _remove_others(partial, manifest)
            _flush(partial, manifest)
            partial.rename(target)
            _flush_path(target.parent)
    except OSError as error:
        what = "the disk is full" if error.errno in _NO_ROOM else f"cannot be written: {error}"
        raise InputError(
            f"{target}: {what}. What has come stays in {partial}; run again to go on"
        ) from error


def _is_filled(target: Path) -> bool:
    return os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir()))


@contextmanager
def _only_download(partial: Path, manifest: Manifest) -> Iterator[None]:
    """Make the partial file or folder and keep other downloads out of it."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    if manifest.kind == "folder":
        if partial.is_file():
            partial.unlink()
        partial.mkdir(exist_ok=True)
    else:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.touch()
    handle = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InputError(f"{partial}: another download is writing there") from error
    finally:
        os.close(handle)


def _check_room(partial: Path, manifest: Manifest) -> None:
    there = 0
    for file in manifest.files:
        local = partial / file.path
        if local.is_file():
            there += min(local.stat().st_blocks * 512, file.size)
    free = shutil.disk_usage(partial.parent).free
    if manifest.size - there > free:
        raise InputError(
            f"{partial.parent}: the disk is full: {(manifest.size - there) / MIB:.0f} MiB are to "
            f"come and {free / MIB:.0f} MiB are free; make room and run again"
        )


def _fetch_parts(connection: Connection, manifest: Manifest, partial: Path, report: Report) -> None:
    def fetch_missing(wanted: _Wanted) -> int:
        file, part, look = wanted
        handle = os.open(partial / file.path, os.O_RDWR)
        try:
            right = file.sha256[part.number]
            if look and _digest(os.pread(handle, part.length, part.offset)) == right:
                return part.length
            _fetch_part(connection, file, part, handle)
        finally:
            os.close(handle)
        return part.length

    done = 0
    for length in run_all(fetch_missing, _list_wanted(manifest, partial), CONNECTIONS):
        done += length
        report("download, MiB", done // MIB, manifest.size // MIB)


def _list_wanted(manifest: Manifest, partial: Path) -> Iterator[_Wanted]:
    """Make all files and folders, empty where they are not there yet, and yield their parts."""
    if manifest.kind == "folder":
        folders = {str(PurePosixPath(file.path).parent) for file in manifest.files}
        for folder in folders.union(manifest.folders):
            (partial / folder).mkdir(parents=True, exist_ok=True)
    for file in manifest.files:
        local = partial / file.path
        with local.open("ab"):
            size = local.stat().st_size
            if size > file.size:
                os.truncate(local, file.size)
        for part in parts_of(file.size, file.part_bytes):
            if part.length:
                yield _Wanted(file, part, look=size > 0)


def _fetch_part(connection: Connection, file: File, part: Part, handle: int) -> None:
    """Write one part; raises NotWholeError if the object is not what the manifest says."""
    key = connection.place.key_of(file.path)
    span = f"bytes={part.offset}-{part.offset + part.length - 1}"

    def write(body: Any) -> str:
        sha256 = hashlib.sha256()
        offset = part.offset
        while chunk := body.read(_CHUNK):
            sha256.update(chunk)
            while chunk:
                written = os.pwrite(handle, chunk, offset)
                chunk, offset = chunk[written:], offset + written
        return sha256.hexdigest()

    for _ in range(_TRIES):
        try:
            digest, answer = connection.read(key, write, Range=span)
        except ClientError as error:
            if code_of(error) not in GONE | SHORT:
                raise
            problem = "is shorter than it was" if code_of(error) in SHORT else "is gone"
            continue
        told = answer.get("ContentRange", "")
        if digest == file.sha256[part.number] and told.endswith(f"/{file.size}"):
            return
        problem = f"is not what was uploaded ({span}; {told})"
    raise NotWholeError(
        f"s3://{connection.place.bucket}/{key} {problem}: it was damaged, or is just being "
        "replaced. Run again, and if it stays so, upload it again"
    )


def _flush(partial: Path, manifest: Manifest) -> None:
    """Bring all that has come to the disk, so that what is there is whole after a power cut too."""
    paths = [partial / file.path for file in manifest.files]
    folders = (Path(folder) for folder, _, _ in os.walk(partial))
    for _ in run_all(_flush_path, [*paths, *folders], CONNECTIONS):
        pass


def _flush_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove_others(partial: Path, manifest: Manifest) -> None:
    """Remove what an earlier download of something else left."""
    if manifest.kind == "file":
        return
    paths, _ = list_files(partial)
    for path in set(paths) - {file.path for file in manifest.files}:
        (partial / path).unlink()
    wanted = {partial / folder for folder in manifest.folders}
    for folder, _, _ in os.walk(partial, topdown=False):
        if Path(folder) not in wanted | {partial} and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
