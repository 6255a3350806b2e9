"""The component that checks replies."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def verify(
    recipe: str,
    step: str,
    replies: Input[Dataset],
    problems: Input[Dataset],
    output: Output[Dataset],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Check each reply with its problem's verifier.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        replies: Output of the generate component.
        problems: Output of the problems component.
        workspace: The run's folder on this machine; empty on a cluster.
        output: The trajectories with their verdicts.
        metrics: Replies kept and dropped, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"replies": replies, "problems": problems}
    run_component("verify", recipe, "verify", inputs, output, metrics, step, workspace)
