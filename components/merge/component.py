"""The component that puts replies that were sampled in shards together."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def merge(
    recipe: str,
    step: str,
    shards: Input[list[Dataset]],
    output: Output[Dataset],
    metrics: Output[Metrics],
    workspace: str = "",
) -> None:
    """Put the shards of a step that samples replies together.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        shards: Outputs of the generate component, of all shards of one step.
        workspace: A folder that all pods share; empty where there is none.
        output: Parts of trajectories, in the order of the shards.
        metrics: Replies kept, and the seconds it took.
    """
    from z1.stages.component import run_component

    # By their places, which are those of the shards, whichever was done first.
    inputs = {f"shard-{number}": shard for number, shard in enumerate(shards, 1)}
    run_component("merge", recipe, "verify", inputs, output, metrics, step, workspace)
