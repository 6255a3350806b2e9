"""The component that serves a published model on KServe."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def deploy(
    recipe: str,
    step: str,
    published: Input[Artifact],
    gate: Input[Artifact],
    output: Output[Artifact],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Serve a published model in the place of the version in service.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        published: Output of the publish component.
        gate: Output of the gate component; while it is closed nothing is deployed.
        workspace: The run's folder on this machine; empty on a cluster.
        output: deployment.json: what is served, where, and what it answered.
        metrics: Versions deployed, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"published": published, "gate": gate}
    run_component("deploy", recipe, "deploy", inputs, output, metrics, step, workspace)
