"""The component that fine-tunes a model on examples."""

from typing import Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from z1_components.pools import TRAINING_IMAGE


@dsl.component(base_image=TRAINING_IMAGE, install_kfp_package=False)
def sft(
    recipe: str,
    section: str,
    step: str,
    examples: Input[Dataset],
    output: Output[Model],
    metrics: Output[Metrics],
    model: Optional[Input[Model]] = None,  # noqa: UP045 - kfp reads this form only
    problems: Optional[Input[Dataset]] = None,  # noqa: UP045
    workspace: str = "",
) -> None:
    """Fine-tune a model on examples.

    Args:
        recipe: The recipe's text, with absolute paths.
        section: Key of the recipe's section that says how, such as train.tops.
        step: Name of the output folder.
        examples: Output of the select component.
        model: The model to start from; the recipe's base model if there is none.
        problems: Output of the problems component; what stop, tags and
            mask_wrong_rounds go by.
        workspace: The run's folder on this machine; empty on a cluster.
        output: A Hugging Face model folder.
        metrics: Examples trained on and dropped, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"examples": examples, "model": model, "problems": problems}
    run_component("sft", recipe, section, inputs, output, metrics, step, workspace)
