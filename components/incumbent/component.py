"""The component that brings the model in service."""

from kfp import dsl
from kfp.dsl import Metrics, Model, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def incumbent(
    recipe: str,
    step: str,
    output: Output[Model],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Bring the version of the recipe's model that is in service, if there is one.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        workspace: The run's folder on this machine; empty on a cluster.
        output: The model's folder and incumbent.json, which alone is there if none is in service.
        metrics: Models brought, and the seconds it took.
    """
    from z1.stages.component import run_component

    run_component("incumbent", recipe, "publish", {}, output, metrics, step, workspace)
