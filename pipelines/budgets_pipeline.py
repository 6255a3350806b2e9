"""The TOPS pipeline for recipes with ``evaluate.budgets``: two more models, and a curve of each."""

from kfp import dsl

from z1_pipelines.tops_pipeline import add_steps


@dsl.pipeline(name="tops-budgets")
def budgets_pipeline(recipe: str, workspace: str = "") -> None:
    """The TOPS pipeline, and the thinking-optimal model trained to stop, and with tags.

    Args:
        recipe: The recipe's text, with absolute paths.
        workspace: The run's folder on this machine; empty on a cluster.
    """
    add_steps(recipe, workspace, budgets=True)
