"""From a file or folder to S3."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from z1 import progress
from z1.errors import InputError
from z1.versioning.connection import CONNECTIONS, GONE, OUTRUN, Address, Connection, code_of
from z1.versioning.manifest import (
    HASHERS,
    File,
    Manifest,
    Part,
    describe_file,
    list_files,
    part_size,
    parts_of,
    read_manifest,
    read_part,
    write_manifest,
)
from z1.versioning.parallel import run_all

MIB = 2**20


class _Object(NamedTuple):
    """What a listing tells of an object."""

    size: int
    etag: str


class _Sent(NamedTuple):
    """A file that is in S3, and the version of its object that is this file."""

    file: File
    etag: str


def send(connection: Connection, source: Path, place: Address) -> Manifest | None:
    """Upload what is not there yet, then the manifest; None if another upload came between."""
    paths, folders = list_files(source)
    upload = _Upload(connection, source, place, whole=paths == [""])
    try:
        sent = upload.send_files(paths)
        manifest = Manifest(
            kind="file" if paths == [""] else "folder",
            files=tuple(each.file for each in sent),
            folders=tuple(folders),
        )
        return manifest if upload.finish(manifest, sent) else None
    except ClientError as error:
        if code_of(error) not in OUTRUN:
            raise
        return None


class _Upload:
    """One attempt to bring a file or folder to an address."""

    def __init__(self, connection: Connection, source: Path, place: Address, whole: bool) -> None:
        self._connection, self._source, self._place = connection, source, place
        self._client, self._whole = connection.client, whole
        self._there = self._list()
        self._old, self._old_etag = self._find_manifest()
        self._withdrawing = threading.Lock()

    def _ask(self, operation: str, key: str, **fields: Any) -> Any:
        request = getattr(self._client, operation)
        return self._connection.ask(
            self._place, lambda: request(Bucket=self._place.bucket, Key=key, **fields)
        )

    def _pages(self, operation: str, **fields: Any) -> list[Any]:
        pages = self._client.get_paginator(operation)
        return self._connection.ask(
            self._place, lambda: list(pages.paginate(Bucket=self._place.bucket, **fields))
        )

    def _list(self) -> dict[str, _Object]:
        # The listing of a file's own name begins with itself, and may go on with its neighbours.
        prefix = self._place.key_of("") if self._whole else f"{self._place.key}/"
        limit = {"PaginationConfig": {"MaxItems": 1, "PageSize": 1}} if self._whole else {}
        return {
            found["Key"]: _Object(found["Size"], found["ETag"])
            for page in self._pages("list_objects_v2", Prefix=prefix, **limit)
            for found in page.get("Contents", [])
        }

    def _find_manifest(self) -> tuple[Manifest | None, str]:
        def read() -> tuple[bytes, str]:
            answer = self._client.get_object(Bucket=self._place.bucket, Key=self._place.manifest)
            return answer["Body"].read(), answer["ETag"]

        try:
            content, etag = self._connection.ask(self._place, read)
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return None, ""
        try:
            return read_manifest(content, str(self._place)), etag
        except InputError:
            return None, etag  # damaged, and about to be replaced

    def send_files(self, paths: list[str]) -> list[_Sent]:
        """Upload all files that are not there yet: the small ones at once, then the large ones."""
        sizes = {path: (self._source / path).stat().st_size for path in paths}
        small = [path for path in paths if sizes[path] <= part_size(sizes[path])]
        self._total, self._done = sum(sizes.values()), 0
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
        progress.report("upload, MiB", self._done // MIB, self._total // MIB)

    def _find_same(self, path: str) -> _Sent | None:
        """Return the file if S3 has it already."""
        key, local = self._place.key_of(path), self._source / path
        there = self._there.get(key)
        if there is None or there.size != local.stat().st_size:
            return None
        try:
            head = self._ask("head_object", key, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return None
        with ThreadPoolExecutor(HASHERS if there.size > part_size(there.size) else 1) as pool:
            file = describe_file(local, path, pool)
        return _Sent(file, head["ETag"]) if head.get("ChecksumSHA256") == _checksum(file) else None

    def _withdraw(self, path: str) -> None:
        """Before an object is replaced, remove a manifest that would no longer be true."""
        if self._place.key_of(path) not in self._there:
            return
        with self._withdrawing:
            if self._old_etag:
                self._ask("delete_object", self._place.manifest)
                self._old_etag = ""

    def _send_small(self, path: str) -> _Sent:
        same = self._find_same(path)
        if same:
            return same
        local = self._source / path
        size = local.stat().st_size
        content = read_part(local, Part(0, 0, size))
        sha256 = hashlib.sha256(content)
        self._withdraw(path)
        checksum = _base64(sha256.digest())
        answer = self._ask(
            "put_object", self._place.key_of(path), Body=content, ChecksumSHA256=checksum
        )
        file = File(path=path, size=size, part_bytes=part_size(size), sha256=(sha256.hexdigest(),))
        return _Sent(file, answer["ETag"])

    def _send_large(self, path: str) -> _Sent:
        same = self._find_same(path)
        if same:
            self._report(same.file.size)
            return same
        self._withdraw(path)
        key, local = self._place.key_of(path), self._source / path
        size = local.stat().st_size
        part_bytes = part_size(size)
        upload, there = self._find_unfinished(key)

        def send_part(part: Part) -> tuple[Part, str, str]:
            content = read_part(local, part)
            sha256 = hashlib.sha256(content)
            have = there.get(part.number + 1)
            if have and _is_part(have, content, sha256.digest()):
                return part, have["ETag"], sha256.hexdigest()
            answer = self._ask(
                "upload_part",
                key,
                UploadId=upload,
                PartNumber=part.number + 1,
                Body=content,
                ChecksumSHA256=_base64(sha256.digest()),
            )
            return part, answer["ETag"], sha256.hexdigest()

        sent = []
        for each in run_all(send_part, parts_of(size, part_bytes), CONNECTIONS):
            sent.append(each)
            self._report(each[0].length)
        sent.sort()
        file = File(
            path=path, size=size, part_bytes=part_bytes, sha256=tuple(each[2] for each in sent)
        )
        parts = [
            {
                "PartNumber": part.number + 1,
                "ETag": etag,
                "ChecksumSHA256": _base64(bytes.fromhex(sha256)),
            }
            for part, etag, sha256 in sent
        ]
        answer = self._ask(
            "complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        if answer.get("ChecksumSHA256", _checksum(file)) != _checksum(file):
            raise InputError(f"{self._place}: {key} arrived damaged; run again")
        return _Sent(file, answer["ETag"])

    def _find_unfinished(self, key: str) -> tuple[str, dict[int, Any]]:
        """Return the id of an upload that was cut off, and its parts; or that of a new one."""
        uploads = [
            upload
            for page in self._pages("list_multipart_uploads", Prefix=key)
            for upload in page.get("Uploads", [])
            # Not every server names the checksum here.
            if upload["Key"] == key and upload.get("ChecksumAlgorithm", "SHA256") == "SHA256"
        ]
        if not uploads:
            answer = self._ask("create_multipart_upload", key, ChecksumAlgorithm="SHA256")
            return answer["UploadId"], {}
        newest = max(uploads, key=lambda upload: upload["Initiated"])["UploadId"]
        pages = self._pages("list_parts", Key=key, UploadId=newest)
        return newest, {
            part["PartNumber"]: part for page in pages for part in page.get("Parts", [])
        }

    def finish(self, manifest: Manifest, sent: list[_Sent]) -> bool:
        """Write the manifest, unless another upload changed a file or wrote its own meanwhile."""
        there = self._list()
        for file, etag in sent:
            found = there.get(self._place.key_of(file.path))
            if found != _Object(file.size, etag):
                return False
        if self._old_etag and self._old == manifest:
            return True
        condition = {"IfMatch": self._old_etag} if self._old_etag else {"IfNoneMatch": "*"}
        content = write_manifest(manifest)
        try:
            self._ask(
                "put_object",
                self._place.manifest,
                Body=content,
                ChecksumSHA256=_base64(hashlib.sha256(content).digest()),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if code_of(error) not in GONE:
                raise
            return False
        for _ in run_all(self._remove, self._left_over(manifest), CONNECTIONS):
            pass
        return True

    def _left_over(self, manifest: Manifest) -> Iterator[str]:
        """Yield the keys of files of the former upload that are no part of this one."""
        kept = {file.path for file in manifest.files}
        for file in self._old.files if self._old else ():
            if file.path not in kept:
                yield self._place.key_of(file.path)

    def _remove(self, key: str) -> None:
        self._ask("delete_object", key)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _checksum(file: File) -> str:
    """Return S3's own SHA-256 of the object: of an upload in parts, that of the parts' digests."""
    digests = [bytes.fromhex(each) for each in file.sha256]
    if len(digests) == 1:
        return _base64(digests[0])
    return f"{_base64(hashlib.sha256(b''.join(digests)).digest())}-{len(digests)}"


def _is_part(part: dict[str, Any], content: bytes, sha256: bytes) -> bool:
    """Is this listed part this content? Servers that do not list the SHA-256 do list the MD5."""
    if "ChecksumSHA256" in part:
        return bool(part["ChecksumSHA256"] == _base64(sha256))
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return part["Size"] == len(content) and part["ETag"].strip('"') == md5
