"""A published model, as the publish stage leaves it for those that serve it."""

import json
import re
from collections.abc import Callable, Container
from pathlib import Path
from typing import NamedTuple

from z1.errors import InputError

RECORD = "versions.json"
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


def read_published(folder: Path, choose: Callable[[Container[str]], str]) -> Published:
    """Return the model of the step that ``choose`` chooses from the publish stage's output.

    That has the version, the address and, where it is known, the size of what each step made.
    Raises InputError if the step's model was not published.
    """
    path = folder / RECORD
    try:
        versions = json.loads(path.read_text(encoding="utf-8"))["versions"]
        step = choose(versions)
        if step not in versions:
            raise InputError(
                f"{path}: no model of the step {step!r} was published; only a published one can be "
                "deployed"
            )
        outcome = versions[step]
        name, _, version = outcome["version"].rpartition("@")
        return make_published(name, version, outcome["content"], outcome.get("size"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the output of the publish stage: {error!r}") from error
