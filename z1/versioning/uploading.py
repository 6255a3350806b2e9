"""From a file or folder to S3: one attempt, which sees whether another upload came between."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from z1.errors import InputError
from z1.versioning.checksums import object_checksum, to_base64
from z1.versioning.connection import CONNECTIONS, GONE, OUTRUN, Connection, code_of, whole
from z1.versioning.manifest import (
    HASHERS,
    File,
    Manifest,
    NotWholeError,
    Part,
    Report,
    describe_file,
    list_files,
    part_size,
    read_manifest,
    read_part,
    write_manifest,
)
from z1.versioning.multipart import send_in_parts
from z1.versioning.parallel import run_all

MIB = 2**20


class _Version(NamedTuple):
    """What a listing tells of an object: enough to know it from what it was before."""

    size: int
    etag: str


class _Sent(NamedTuple):
    """A file that is in S3, and the version of its object that is this file."""

    file: File
    etag: str


def send(connection: Connection, source: Path, report: Report) -> Manifest | None:
    """Upload what is not there yet, then the manifest; None if another upload came between."""
    paths, folders = list_files(source)
    kind = "folder" if source.is_dir() else "file"
    upload = _Upload(connection, source, kind, report)
    try:
        sent = upload.send_files(paths)
        manifest = Manifest(
            kind=kind, files=tuple(each.file for each in sent), folders=tuple(folders)
        )
        return manifest if upload.finish(manifest, sent) else None
    except ClientError as error:
        if code_of(error) not in OUTRUN:
            raise
        return None
    except NotWholeError:
        return None


class _Upload:
    """What was at the address when an attempt began, and how far the attempt is."""

    def __init__(self, connection: Connection, source: Path, kind: str, report: Report) -> None:
        self._tell = report
        self._connection, self._source, self._kind = connection, source, kind
        self._place = connection.place
        self._there = self._list()
        self._old, self._old_etag = self._find_manifest()
        self._withdrawing = threading.Lock()
        self._done = self._total = 0

    def _list(self) -> dict[str, _Version]:
        fields: dict[str, Any] = {"Prefix": f"{self._place.key}/"}
        if self._kind == "file":
            # A listing begins with the name itself; its neighbours do not matter.
            fields = {
                "Prefix": self._place.key,
                "PaginationConfig": {"MaxItems": 1, "PageSize": 1},
            }
        found = self._connection.list("list_objects_v2", "Contents", **fields)
        return {each["Key"]: _Version(each["Size"], each["ETag"]) for each in found}

    def _find_manifest(self) -> tuple[Manifest | None, str]:
        try:
            content, answer = self._connection.read(self._place.manifest, whole)
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return None, ""
        try:
            return read_manifest(content, str(self._place)), answer["ETag"]
        except InputError:
            return None, answer["ETag"]  # damaged, and about to be replaced

    def send_files(self, paths: list[str]) -> list[_Sent]:
        """Upload all files that are not there yet: many small ones at a time, then each large."""
        sizes = {path: (self._source / path).stat().st_size for path in paths}
        self._total = sum(sizes.values())
        small = [path for path in paths if sizes[path] <= part_size(sizes[path])]
        sent = {}
        for each in run_all(self._send_small, small, CONNECTIONS):
            sent[each.file.path] = each
            self._report(each.file.size)
        for path in paths:
            if path not in sent:
                sent[path] = self._send_large(path)
        return [sent[path] for path in paths]

    def _report(self, size: int) -> None:
        self._done += size
        self._tell("upload, MiB", self._done // MIB, self._total // MIB)

    def _send_small(self, path: str) -> _Sent:
        same = self._find_same(path)
        if same:
            return same
        size = (self._source / path).stat().st_size
        content = read_part(self._source / path, Part(0, 0, size))
        sha256 = hashlib.sha256(content).hexdigest()
        self._withdraw(path)
        answer = self._connection.ask(
            "put_object",
            self._place.key_of(path),
            Body=content,
            ChecksumSHA256=to_base64(sha256),
        )
        file = File(path=path, size=size, part_bytes=part_size(size), sha256=(sha256,))
        return _Sent(file, answer["ETag"])

    def _send_large(self, path: str) -> _Sent:
        same = self._find_same(path)
        if same:
            self._report(same.file.size)
            return same
        self._withdraw(path)
        return _Sent(*send_in_parts(self._connection, self._source / path, path, self._report))

    def _find_same(self, path: str) -> _Sent | None:
        """Return the file if S3 has it already."""
        key, local = self._place.key_of(path), self._source / path
        there = self._there.get(key)
        if there is None or there.size != local.stat().st_size:
            return None
        try:
            head = self._connection.ask("head_object", key, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return None
        with ThreadPoolExecutor(HASHERS) as pool:
            file = describe_file(local, path, pool)
        same = head.get("ChecksumSHA256") == object_checksum(file)
        return _Sent(file, head["ETag"]) if same else None

    def _withdraw(self, path: str) -> None:
        """Before an object is replaced, remove a manifest that would no longer be true."""
        if self._place.key_of(path) not in self._there:
            return
        with self._withdrawing:
            if self._old_etag:
                self._connection.ask("delete_object", self._place.manifest)
                self._old_etag = ""

    def finish(self, manifest: Manifest, sent: list[_Sent]) -> bool:
        """Write the manifest, unless another upload changed a file or wrote its own meanwhile."""
        there = self._list()
        for file, etag in sent:
            if there.get(self._place.key_of(file.path)) != _Version(file.size, etag):
                return False
        if self._old_etag and self._old == manifest:
            return True
        content = write_manifest(manifest)
        try:
            self._connection.ask(
                "put_object",
                self._place.manifest,
                Body=content,
                ChecksumSHA256=to_base64(hashlib.sha256(content).hexdigest()),
                ContentType="application/json",
                **({"IfMatch": self._old_etag} if self._old_etag else {"IfNoneMatch": "*"}),
            )
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return False
        self._remove_left_over(manifest)
        return True

    def _remove_left_over(self, manifest: Manifest) -> None:
        """Remove what only the former upload had. Nothing that no manifest named is touched."""
        former = {self._place.key_of(file.path) for file in (self._old.files if self._old else ())}
        kept = {self._place.key_of(file.path) for file in manifest.files}
        for _ in run_all(self._remove, former - kept, CONNECTIONS):
            pass

    def _remove(self, key: str) -> None:
        self._connection.ask("delete_object", key)
