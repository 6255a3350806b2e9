"""A published model, as the publish stage leaves it for those that serve it."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from z1.errors import InputError

RECORD = "published.json"
_VERSION = re.compile(r"v[0-9]+")


class Published(NamedTuple):
    """One version of a model in the registry."""

    name: str
    version: str
    """Such as ``v3``."""
    address: str
    """Where its files are: ``s3://BUCKET/PATH``."""
    bytes: int | None = None
    """How large they are together, where that is known."""


def make_published(name: str, version: str, address: str, size: int | None = None) -> Published:
    """Return a published model. Raises InputError if version or address are none."""
    if not _VERSION.fullmatch(version):
        raise InputError(f"{name}@{version}: versions look like v3")
    if not re.fullmatch(r"s3://[^/]+/.+", address):
        raise InputError(f"{address!r} is no address of the form s3://BUCKET/PATH")
    return Published(name, version, address, size)


def read_published(folder: Path) -> Published:
    """Read the record in a publish stage's output.

    Raises InputError if there is none, as where no registry is given.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return make_published(
            content["name"], content["version"], content["address"], content.get("bytes")
        )
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: no model was published here; only a published one can be deployed"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a record of a published model: {error!r}") from error
