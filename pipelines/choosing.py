"""Which pipeline runs a recipe, or retrains its model."""

from functools import partial
from typing import Any, NamedTuple

from z1.errors import InputError
from z1.planning.steps import Listing, Step
from z1.recipe import Recipe, RetrainingMode
from z1_pipelines import tops_pipeline, z1_pipeline
from z1_pipelines.budgets_pipeline import add_budgets_steps, budgets_pipeline
from z1_pipelines.retrain_pipeline import add_full, add_iteration
from z1_pipelines.steps import here, on_cluster


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


def list_steps(recipe: Recipe) -> list[Step]:
    """Return the steps of a recipe's pipeline in order, each after those it takes its inputs of."""
    listing = Listing()
    PIPELINES[_choose(recipe)].add(listing)
    return listing.steps


def find_retraining(recipe: Recipe, mode: RetrainingMode | None = None) -> Any:
    """Return the pipeline that retrains a recipe's model, for a cluster.

    Raises InputError if the recipe has no registry to go on from, or no such retraining.
    """
    return on_cluster(*_choose_retraining(recipe, mode))


def find_retraining_here(recipe: Recipe, mode: RetrainingMode | None = None) -> Any:
    """Return the same pipeline for this machine."""
    name, _, add = _choose_retraining(recipe, mode)
    return here(name, add)


def _choose_retraining(recipe: Recipe, mode: RetrainingMode | None) -> tuple[str, str, Any]:
    """Return the pipeline's name, what it is for, and what adds its steps."""
    if recipe.publish.registry is None:
        raise InputError(
            "a retraining goes on from the model in service, which the recipe's registry knows: "
            "give publish.registry, run the whole pipeline once, and put its model into service"
        )
    if (mode or recipe.retraining_mode()) == "full":
        name = _choose(recipe)
        about = "Train a model of all problems anew, once enough of them have been added."
        return f"retrain-{name}", about, partial(add_full, add=PIPELINES[name].add)
    if refusal := recipe.refuse_iteration():
        raise InputError(f"--mode iteration: {refusal}")
    method = recipe.retrain.method
    about = "Train the model in service further, once enough problems have been added."
    return f"retrain-iter-{method}", about, partial(add_iteration, method=method)
