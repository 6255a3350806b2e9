"""The tiny model that ships with z1, for trying the whole pipeline on a machine without a GPU."""

import shutil
from pathlib import Path

from z1.errors import InputError

MODEL = Path(__file__).parent / "model"


def write_tiny(folder: Path) -> None:
    """Write the tiny base model out as an ordinary Hugging Face model folder.

    Raises InputError if the folder is there already and holds something, or cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and not an empty folder; name another")
    try:
        shutil.copytree(MODEL, folder, dirs_exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error}") from error
