"""Where a step's finished pieces are kept besides its own folder: nowhere, or in S3."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from z1.errors import InputError


class Keeper(Protocol):
    """Keeps what is finished of a step until the step is done."""

    def restore(self) -> None:
        """Bring back to the step's folder what an earlier attempt had finished."""

    def keep(self, path: Path) -> None:
        """Keep a file or checkpoint in the step's folder."""

    def remove(self) -> None:
        """Remove all that is kept of the step."""


class _Nowhere:
    def restore(self) -> None:
        pass

    def keep(self, path: Path) -> None:
        pass

    def remove(self) -> None:
        pass


def open_keeper(
    address: str | None, key: str, step: str, folder: Path
) -> AbstractContextManager[Keeper]:
    """Return what keeps a step's pieces under a recipe's ``checkpoints`` address, if it has one.

    Raises InputError, at the latest when entered, if S3 cannot be written to.
    """
    if address is None:
        return nullcontext(_Nowhere())
    try:
        from z1.versioning.mirror import Mirror
    except ModuleNotFoundError as error:
        raise InputError(
            f"checkpoints: S3 needs {error.name}, which is not installed here: pip install 'z1[s3]'"
        ) from error
    return Mirror(address, key, step, folder)
