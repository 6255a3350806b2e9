"""The TOPS pipeline for recipes with ``evaluate.budgets``: two more models, and a curve of each."""

from functools import partial

from z1_pipelines.steps import on_cluster
from z1_pipelines.tops_pipeline import add_steps

add_budgets_steps = partial(add_steps, budgets=True)

budgets_pipeline = on_cluster(
    "tops-budgets",
    "The TOPS pipeline, and the thinking-optimal model trained to stop, and with tags.",
    add_budgets_steps,
)
