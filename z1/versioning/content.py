"""What of a step's output is published, and how it is known again."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from z1.errors import InputError
from z1.versioning.manifest import describe
from z1.versioning.versions import STAGE_RECORD


@contextmanager
def content_of(folder: Path) -> Iterator[Path]:
    """Give what is published of a step's output, as a folder of links.

    The step's record is not part of it, nor are hidden files: they tell of the run, not of what it
    made, and the same weights, made twice, are the same content. A link to a file counts as that
    file. Raises InputError for other links and whatever else is no file: neither S3 nor DVC could
    give it back.
    """
    with tempfile.TemporaryDirectory(prefix="z1-content-") as links:
        for inside, path in _list(folder):
            place = Path(links, inside)
            if path.is_file():
                place.symlink_to(path.resolve())
            else:
                place.mkdir()
        yield Path(links)


def digest_content(folder: Path) -> str:
    """Return the digest of what is published of a step's output, of which its address is made."""
    with content_of(folder) as content:
        return describe(content).digest


def stamp_content(folder: Path) -> str:
    """Return a digest of when and where the files of a content were last written.

    While it stays the same so does the content, which then need not be read again. That includes
    the time that no program can set (ctime), so an edit that puts the old date back is seen too.
    """
    digest = hashlib.sha256()
    for inside, path in _list(folder):
        status = path.stat()
        when = (status.st_mtime_ns, status.st_ctime_ns) if path.is_file() else ()
        digest.update(f"{inside}\0{status.st_ino} {status.st_size} {when}\n".encode())
    return digest.hexdigest()


def _list(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the files and folders of a content, each after its folder: place within, and path."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside == Path(STAGE_RECORD) or any(part.startswith(".") for part in inside.parts):
            continue
        if not path.is_file() and (path.is_symlink() or not path.is_dir()):
            raise InputError(
                f"{path}: is neither a file nor a link to one, so it cannot be published; put what "
                "it stands for in its place, or remove it"
            )
        yield inside, path
