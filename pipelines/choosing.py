"""Which pipeline runs a recipe."""

from typing import Any

from z1.recipe import Recipe
from z1_pipelines.budgets_pipeline import budgets_pipeline
from z1_pipelines.tops_pipeline import tops_pipeline
from z1_pipelines.z1_pipeline import z1_pipeline


def find_pipeline(recipe: Recipe) -> Any:
    """Return the kfp pipeline of a recipe's method."""
    if recipe.method == "z1":
        return z1_pipeline
    return budgets_pipeline if recipe.evaluate.budgets else tops_pipeline
