"""SHA-256 in the form in which S3 carries it."""

import base64
import hashlib

from z1.versioning.manifest import File


def to_base64(sha256: str) -> str:
    """Return a hexadecimal digest as S3 writes it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def object_checksum(file: File) -> str:
    """Return S3's checksum of a file's object; if it came in parts, that of the parts' digests."""
    if len(file.sha256) == 1:
        return to_base64(file.sha256[0])
    of_parts = hashlib.sha256(b"".join(map(bytes.fromhex, file.sha256))).hexdigest()
    return f"{to_base64(of_parts)}-{len(file.sha256)}"
