"""Where a training runs that is too large for one node. What is here does not change what comes of
it, and so is no part of a step's key."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from z1 import progress
from z1.errors import InputError
from z1.recipe import Recipe

OnNodes = Callable[[Any], dict[str, Any]]
"""Takes a training's job, and returns what came of it."""


def nowhere(job: Any) -> dict[str, Any]:
    """Raise InputError."""
    raise InputError("nodes: only a step of a recipe can be trained on several nodes")


def find_nodes(recipe: Recipe, key: str, step: str, folder: Path) -> OnNodes:
    """Return what trains a step's job on nodes of a cluster and brings the model to its folder."""

    def on_nodes(job: Any) -> dict[str, Any]:
        try:
            from z1.nodes import train_on_nodes
        except ModuleNotFoundError as error:
            raise InputError(
                f"nodes: a cluster needs {error.name}, which is not installed here: "
                "pip install 'z1[nodes]'"
            ) from error
        return train_on_nodes(recipe, key, step, folder, partial(progress.report, step), job)

    return on_nodes
