"""A large file to S3 in parts, several at a time; an upload that was cut off is gone on with."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from z1.versioning.checksums import object_checksum, to_base64
from z1.versioning.connection import CONNECTIONS, Connection
from z1.versioning.manifest import File, NotWholeError, Part, part_size, parts_of, read_part
from z1.versioning.parallel import run_all


def send_in_parts(
    connection: Connection, local: Path, path: str, report: Callable[[int], None]
) -> tuple[File, str]:
    """Upload a file, ``path`` in what is uploaded, and return it and the object's version.

    Raises InputError and ClientError as ``Connection.ask`` does, and NotWholeError if another
    upload wrote parts of its own to it.
    """
    key = connection.place.key_of(path)
    size = local.stat().st_size
    part_bytes = part_size(size)
    upload, there = _find_unfinished(connection, key)

    def send(part: Part) -> tuple[int, str, str]:
        content = read_part(local, part)
        sha256 = hashlib.sha256(content).hexdigest()
        number = part.number + 1
        have = there.get(number)
        if have and _is_same(have, content, sha256):
            return number, have["ETag"], sha256
        answer = connection.ask(
            "upload_part",
            key,
            UploadId=upload,
            PartNumber=number,
            Body=content,
            ChecksumSHA256=to_base64(sha256),
        )
        return number, answer["ETag"], sha256

    sent = []
    for each in run_all(send, parts_of(size, part_bytes), CONNECTIONS):
        sent.append(each)
        report(min(part_bytes, size - (each[0] - 1) * part_bytes))
    sent.sort()
    file = File(path=path, size=size, part_bytes=part_bytes, sha256=tuple(s for _, _, s in sent))
    parts = [
        {"PartNumber": number, "ETag": etag, "ChecksumSHA256": to_base64(sha256)}
        for number, etag, sha256 in sent
    ]
    answer = connection.ask(
        "complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    checksum = object_checksum(file)
    if answer.get("ChecksumSHA256", checksum) != checksum:
        # Every part arrived right, so some are of another upload of the key that goes on just now.
        raise NotWholeError(f"{connection.place}: {key} holds parts of two uploads; run again")
    return file, answer["ETag"]


def _find_unfinished(connection: Connection, key: str) -> tuple[str, dict[int, Any]]:
    """Return the id of an upload that was cut off, and its parts; or that of a new one."""
    uploads = [
        upload
        for upload in connection.list("list_multipart_uploads", "Uploads", Prefix=key)
        # Not every server names the checksum here.
        if upload["Key"] == key and upload.get("ChecksumAlgorithm", "SHA256") == "SHA256"
    ]
    if not uploads:
        answer = connection.ask("create_multipart_upload", key, ChecksumAlgorithm="SHA256")
        return answer["UploadId"], {}
    newest = max(uploads, key=lambda upload: upload["Initiated"])["UploadId"]
    parts = connection.list("list_parts", "Parts", Key=key, UploadId=newest)
    return newest, {part["PartNumber"]: part for part in parts}


def _is_same(part: dict[str, Any], content: bytes, sha256: str) -> bool:
    """Is this listed part this content? Servers that do not list the SHA-256 do list the MD5."""
    if "ChecksumSHA256" in part:
        return bool(part["ChecksumSHA256"] == to_base64(sha256))
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return bool(part["Size"] == len(content) and part["ETag"].strip('"') == md5)
