"""What a file or folder holds, part by part: enough to check every byte of a copy of it.

A file counts as parts of ``part_bytes`` each, the last one shorter; an empty file is one empty
part. A manifest is small against what it describes (64 characters for 16 MiB) and does not depend
on when or where the files were written, so its digest is an address made of the content.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from z1.errors import InputError

SUFFIX = ".z1.json"  # of a manifest's name
PART_BYTES = 16 * 2**20
MAX_PARTS = 10_000  # S3's limit
HASHERS = 4


Report = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


class NotWholeError(InputError):
    """What is in S3 is damaged or half-written; the server itself is well."""


class Part(NamedTuple):
    """A stretch of a file; ``number`` counts from 0."""

    number: int
    offset: int
    length: int


class File(BaseModel):
    """One file: its path within the folder ("" if it was uploaded alone) and what is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    size: int
    part_bytes: int
    sha256: tuple[str, ...]
    """Of each part, in hexadecimal."""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        return check_name(path)


class Manifest(BaseModel):
    """A file or a folder: all files, by path, and the folders that have nothing in them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    kind: Literal["file", "folder"]
    files: tuple[File, ...]
    folders: tuple[str, ...] = ()

    @field_validator("folders")
    @classmethod
    def _stay_inside(cls, folders: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(check_name, folders))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the manifest says, in hexadecimal."""
        return hashlib.sha256(_to_json(self.model_dump(mode="json"))).hexdigest()

    @cached_property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def check_name(path: str) -> str:
    """Return a path within a folder; raises ValueError if it leads elsewhere or S3 bends it."""
    if "\\" in path or "\0" in path:
        raise ValueError(f"{path!r} has a backslash or null character in its name")
    if path and (str(PurePosixPath(path)) != path or path[0] == "/" or ".." in path.split("/")):
        raise ValueError(f"{path!r} is no plain path within the folder")
    path.encode()  # a UnicodeEncodeError is a ValueError
    return path


def write_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as JSON with its own digest."""
    return _to_json({"digest": manifest.digest, **manifest.model_dump(mode="json")})


def read_manifest(content: bytes, name: str) -> Manifest:
    """Read what write_manifest made; raises NotWholeError with its name if it is not as written."""
    try:
        fields = json.loads(content)
        digest = fields.pop("digest")
        manifest = Manifest.model_validate(fields)
    except (ValueError, AttributeError, KeyError, ValidationError) as error:
        raise NotWholeError(f"{name}: is no manifest, or is damaged; upload again") from error
    if manifest.digest != digest:
        raise NotWholeError(f"{name}: is damaged; upload again")
    return manifest


def _to_json(fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=True, sort_keys=True, indent=1).encode()


def list_files(source: Path) -> tuple[list[str], list[str]]:
    """Return the paths of all files in a folder and of its empty folders, in order.

    A file alone is listed as "". Links to files count as files. Raises InputError for what S3
    cannot hold: other links, devices, and names that are not text or have a backslash.
    """
    if source.is_file():
        return [""], []
    if not source.is_dir():
        raise InputError(f"{source}: there is no such file or folder")
    files: list[str] = []
    empty: list[str] = []
    for folder, subfolders, names in os.walk(source):
        inside = Path(folder).relative_to(source)
        if not subfolders and not names and inside.parts:
            empty.append(inside.as_posix())
        for name in [*names, *(name for name in subfolders if (Path(folder) / name).is_symlink())]:
            if not (Path(folder) / name).is_file():
                raise InputError(f"{Path(folder) / name}: is neither a file nor a link to one")
            files.append((inside / name).as_posix())
    for path in files + empty:
        try:
            check_name(path)
        except ValueError as error:
            raise InputError(f"{source}: {error}; rename it") from error
    return sorted(files), sorted(empty)


def part_size(size: int) -> int:
    """Return the bytes of each part of a file of ``size`` bytes."""
    part_bytes = PART_BYTES
    while part_bytes * MAX_PARTS < size:
        part_bytes *= 2
    return part_bytes


def parts_of(size: int, part_bytes: int) -> Iterator[Part]:
    """Yield the parts of a file."""
    for number, offset in enumerate(range(0, max(size, 1), part_bytes)):
        yield Part(number, offset, min(part_bytes, size - offset))


def read_part(path: Path, part: Part) -> bytes:
    """Read a part of a file; raises InputError if the file has become shorter."""
    with path.open("rb") as file:
        file.seek(part.offset)
        content = file.read(part.length)
    if len(content) < part.length:
        raise InputError(f"{path}: was changed while it was being read; run again")
    return content


def describe(source: Path) -> Manifest:
    """Read a file or folder and return its manifest. Raises InputError as list_files does."""
    paths, empty = list_files(source)
    with ThreadPoolExecutor(HASHERS) as pool:
        files = [describe_file(source / path, path, pool) for path in paths]
    return Manifest(
        kind="folder" if source.is_dir() else "file", files=tuple(files), folders=tuple(empty)
    )


def describe_file(local: Path, path: str, pool: ThreadPoolExecutor) -> File:
    """Read one file, which is ``path`` within what is described."""
    size = local.stat().st_size
    part_bytes = part_size(size)

    def digest(part: Part) -> str:
        return hashlib.sha256(read_part(local, part)).hexdigest()

    sha256 = tuple(pool.map(digest, parts_of(size, part_bytes)))
    return File(path=path, size=size, part_bytes=part_bytes, sha256=sha256)
