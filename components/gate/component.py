"""The component that puts the published model into service if it is the better one."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def gate(
    recipe: str,
    step: str,
    evaluate: Input[Artifact],
    published: Input[Artifact],
    output: Output[Artifact],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Put the published model into service if the evaluation says that it is the better one.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        evaluate: Output of the evaluate component, which was given the incumbent.
        published: Output of the publish component.
        workspace: The run's folder on this machine; empty on a cluster.
        output: gate.json: whether it opens, why, and which version took the place of which.
        metrics: Versions put into service, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"evaluate": evaluate, "published": published}
    run_component("gate", recipe, "evaluate.gate", inputs, output, metrics, step, workspace)
