"""Files and folders to and from S3, whole and checked.

A folder lies in S3 as it is, file by file. Beside it, written last, lies its manifest: a folder
without one is not there. Every part of a file carries its SHA-256 on the way, as one of S3's own
additional checksums, so that the server refuses what was damaged on the way there; on the way back
it is compared with the manifest. A transfer that was cut off goes on where it was when it is run
again, and one that was done before does nothing.
"""

import random
import time
from pathlib import Path

from botocore.exceptions import ClientError

from z1 import progress
from z1.errors import InputError
from z1.versioning.connection import GONE, Connection, code_of, parse_address, whole
from z1.versioning.downloading import fetch
from z1.versioning.manifest import Manifest, NotWholeError, Report, read_manifest
from z1.versioning.uploading import send

_ROUNDS = 5


def upload(source: Path, address: str) -> Manifest:
    """Bring a file or folder to an address; what was there before and is no part of it goes.

    Two uploads at once both succeed, and what is there in the end is one of them, whole. Raises
    InputError if the source or the server does not allow it; what is sent by then is not sent
    again.
    """
    return put(Connection(parse_address(address)), source, progress.report)


def put(connection: Connection, source: Path, report: Report) -> Manifest:
    """Upload to a connection's address, telling ``report`` how far it is."""
    for _ in range(_ROUNDS):
        manifest = send(connection, source, report)
        if manifest:
            return manifest
        time.sleep(random.random())  # or two uploads at once might meet again and again
    raise InputError(
        f"{connection.place}: something else keeps writing there; run again when it is done"
    )


def find(address: str) -> Manifest | None:
    """Return what is at an address, or nothing if nothing whole is there."""
    return _find(Connection(parse_address(address)))


def find_whole(connection: Connection) -> Manifest | None:
    """Return what is at a connection's address, if each of its objects is there with its size.

    It takes a listing, not a look into the objects: what is damaged is found by a download.
    """
    try:
        manifest = _find(connection)
    except NotWholeError:
        return None
    if manifest is None:
        return None
    listed = connection.list("list_objects_v2", "Contents", Prefix=connection.place.key)
    sizes = {each["Key"]: each["Size"] for each in listed}
    is_whole = all(sizes.get(connection.place.key_of(f.path)) == f.size for f in manifest.files)
    return manifest if is_whole else None


def download(address: str, target: Path) -> Manifest:
    """Bring what is at an address to a path, which is there at once when all of it has come.

    Raises NotWholeError if nothing whole is there or it was damaged, and InputError if something
    else is at the path already or the server does not allow it; what has come by then is not
    fetched again.
    """
    return get(Connection(parse_address(address)), target, progress.report)


def get(connection: Connection, target: Path, report: Report) -> Manifest:
    """Download from a connection's address, telling ``report`` how far it is."""
    manifest = _find(connection)
    if manifest is None:
        raise NotWholeError(f"{connection.place}: nothing is there, or its upload has not ended")
    fetch(connection, manifest, target, report)
    return manifest


def _find(connection: Connection) -> Manifest | None:
    try:
        content, _ = connection.read(connection.place.manifest, whole)
    except ClientError as error:
        if code_of(error) not in GONE:
            raise
        return None
    return read_manifest(content, str(connection.place))
