"""Bringing a version back, as the step that made it wrote it."""

import os
import shutil
from pathlib import Path

from z1.environment import environment
from z1.errors import InputError
from z1.records import write_bytes
from z1.versioning import s3
from z1.versioning.content import digest_content
from z1.versioning.registry import Registry
from z1.versioning.versions import STAGE_RECORD, Version


def pull(registry: Registry, version: Version, target: Path) -> None:
    """Bring a version's content and its step's record to a folder, byte for byte.

    The folder is there at once when all has come; what came of a pull that was cut off is not
    fetched again. Raises InputError if something else is at the target, or the content is gone or
    damaged.
    """
    if not target.name.strip("."):  # "." and ".." have no name of their own
        target = target.resolve()
    published = version.published
    if published is None:
        raise InputError(f"{version}: was not published by z1; `dvc get` may bring it")
    place = f"{version.tag}:{version.name}/{STAGE_RECORD}"
    record = registry.read([place]).get(place)
    if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
        if _is_there(target, published.digest, record):
            return
        raise InputError(f"{target}: is there already and is not {version}; remove or rename it")
    coming = target.with_name(f".{target.name}.{published.digest[:12]}")
    try:
        (coming / STAGE_RECORD).unlink(missing_ok=True)  # of a pull cut off at the very end
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error}") from error
    with environment(registry.find_storage().environment):
        if s3.download(published.content, coming).digest != published.digest:
            shutil.rmtree(coming)
            raise InputError(f"{published.content}: is not what was published as {version}")
    try:
        if record is not None:
            write_bytes(coming / STAGE_RECORD, record)
        coming.rename(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error}") from error


def _is_there(target: Path, digest: str, record: bytes | None) -> bool:
    if not target.is_dir():
        return False
    kept = target / STAGE_RECORD
    if (kept.read_bytes() if kept.is_file() else None) != record:
        return False
    return digest_content(target) == digest
