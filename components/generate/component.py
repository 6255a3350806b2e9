"""The component that samples replies to problems."""

from typing import Optional

from kfp import dsl
from kfp.dsl import Dataset, Input, Metrics, Model, Output

from z1_components.pools import SAMPLING_IMAGE


@dsl.component(base_image=SAMPLING_IMAGE, install_kfp_package=False)
def generate(
    recipe: str,
    section: str,
    split: str,
    efforts: str,
    step: str,
    problems: Input[Dataset],
    output: Output[Dataset],
    metrics: Output[Metrics],
    model: Optional[Input[Model]] = None,  # noqa: UP045 - kfp reads this form only
    shard: str = "1/1",
    workspace: str = "",
) -> None:
    """Sample replies to the problems of a split.

    Args:
        recipe: The recipe's text, with absolute paths.
        section: Key of the recipe's section that says how: teacher, generate or iterate.
        split: Which split of the problems.
        efforts: ``all`` for a reply at each effort, ``none`` to ask for no effort.
        step: Name of the output folder.
        problems: Output of the problems component.
        model: The model that answers; none for the teacher.
        shard: Which part of the problems, such as 2/4 for the second of four.
        workspace: The run's folder on this machine; empty on a cluster.
        output: Parts of trajectories.
        metrics: Replies kept and dropped, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {"problems": problems, "model": model}
    options = {"split": split, "efforts": efforts}
    if shard != "1/1":
        options["shard"] = shard
        step += f"-{shard.replace('/', '-of-')}"
    run_component("generate", recipe, section, inputs, output, metrics, step, workspace, options)
