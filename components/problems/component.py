"""The component that gathers problems and divides them into splits."""

from kfp import dsl
from kfp.dsl import Dataset, Metrics, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def problems(
    recipe: str,
    step: str,
    output: Output[Dataset],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Gather the recipe's problems and divide them into splits that do not overlap.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        workspace: The run's folder on this machine; empty on a cluster.
        output: One Parquet file of problems a split.
        metrics: Problems kept and dropped, and the seconds it took.
    """
    from z1.stages.component import run_component

    run_component("problems", recipe, "problems", {}, output, metrics, step, workspace)
