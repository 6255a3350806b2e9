"""The component that finds the problems added since the model in service was made."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def added(
    recipe: str,
    step: str,
    problems: Input[Dataset],
    incumbent: Input[Model],
    output: Output[Dataset],
    metrics: Output[Metrics],
    workspace: str = "",
) -> str:
    """Find the problems added since the model in service was made; return whether they are enough.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        problems: Output of the problems component.
        incumbent: Output of the incumbent component.
        workspace: The run's folder on this machine; empty on a cluster.
        output: The problems added, as the split ``iteration``, and added.json.
        metrics: Problems added and those there before, and the seconds it took.

    Returns:
        ``yes`` if they are worth a retraining, or ``no``.
    """
    from z1.stages.added import is_enough
    from z1.stages.component import run_component

    inputs = {"problems": problems, "incumbent": incumbent}
    folder = run_component("added", recipe, "retrain", inputs, output, metrics, step, workspace)
    return "yes" if is_enough(folder) else "no"
