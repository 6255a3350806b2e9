"""Which pipeline runs a recipe."""

from typing import Any, NamedTuple

from z1.recipe import Recipe
from z1_pipelines import tops_pipeline, z1_pipeline
from z1_pipelines.budgets_pipeline import add_budgets_steps, budgets_pipeline
from z1_pipelines.steps import here


class Choice(NamedTuple):
    """A pipeline, on a cluster and on this machine."""

    cluster: Any
    add: Any


PIPELINES = {
    "tops": Choice(tops_pipeline.tops_pipeline, tops_pipeline.add_steps),
    "tops-budgets": Choice(budgets_pipeline, add_budgets_steps),
    "z1": Choice(z1_pipeline.z1_pipeline, z1_pipeline.add_steps),
}


def _choose(recipe: Recipe) -> str:
    if recipe.method == "tops" and recipe.evaluate.budgets:
        return "tops-budgets"
    return recipe.method


def find_pipeline(recipe: Recipe) -> Any:
    """Return the kfp pipeline of a recipe's method, for a cluster."""
    return PIPELINES[_choose(recipe)].cluster


def find_pipeline_here(recipe: Recipe) -> Any:
    """Return the same pipeline for this machine."""
    name = _choose(recipe)
    return here(name, PIPELINES[name].add)
