"""The component that trains a model on preference pairs."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from z1_components.pools import TRAINING_IMAGE


@dsl.component(base_image=TRAINING_IMAGE, install_kfp_package=False)
def dpo(
    recipe: str,
    section: str,
    step: str,
    pairs: Input[Dataset],
    model: Input[Model],
    output: Output[Model],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Train a model on preference pairs among its own replies.

    Args:
        recipe: The recipe's text, with absolute paths.
        section: Key of the recipe's section that says how, such as train.iter_dpo.
        step: Name of the output folder.
        pairs: Output of the select component under the rule ``pairs``.
        model: The model to start from.
        workspace: The run's folder on this machine; empty on a cluster.
        output: A Hugging Face model folder.
        metrics: Pairs trained on and dropped, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"pairs": pairs, "model": model}
    run_component("dpo", recipe, section, inputs, output, metrics, step, workspace)
