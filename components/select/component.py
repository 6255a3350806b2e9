"""The component that selects what to train on."""

from typing import Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def select(
    recipe: str,
    rule: str,
    step: str,
    replies: Input[Dataset],
    problems: Input[Dataset],
    output: Output[Dataset],
    metrics: Output[Metrics],
    seed: Optional[Input[Dataset]] = None,  # noqa: UP045 - kfp reads this form only
    workspace: str = "",
) -> None:
    """Select examples or preference pairs from verified replies.

    Args:
        recipe: The recipe's text, with absolute paths.
        rule: Which replies: seed, shortest, random, pairs or tokens.
        step: Name of the output folder.
        replies: Output of the verify or the filter component.
        problems: Output of the problems component.
        seed: The seed set, for the rules that add replies from it.
        workspace: The run's folder on this machine; empty on a cluster.
        output: Parts of examples, or of pairs.
        metrics: Problems kept and dropped, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"replies": replies, "problems": problems, "seed": seed}
    options = {"rule": rule}
    run_component("select", recipe, "select", inputs, output, metrics, step, workspace, options)
