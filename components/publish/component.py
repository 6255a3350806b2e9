"""The component that publishes a model, and all that it was made from, in a registry."""

from typing import Optional

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from z1_components.pools import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def publish(
    recipe: str,
    step: str,
    problems: Input[Dataset],
    evaluate: Input[Artifact],
    output: Output[Artifact],
    metrics: Output[Metrics],
    seed_replies: Optional[Input[Dataset]] = None,  # noqa: UP045 - kfp reads this form only
    seed_verdicts: Optional[Input[Dataset]] = None,  # noqa: UP045
    seed: Optional[Input[Dataset]] = None,  # noqa: UP045
    tag: Optional[Input[Model]] = None,  # noqa: UP045
    replies: Optional[Input[Dataset]] = None,  # noqa: UP045
    verdicts: Optional[Input[Dataset]] = None,  # noqa: UP045
    shortest: Optional[Input[Dataset]] = None,  # noqa: UP045
    tops: Optional[Input[Model]] = None,  # noqa: UP045
    random_right: Optional[Input[Dataset]] = None,  # noqa: UP045
    random: Optional[Input[Model]] = None,  # noqa: UP045
    iter_replies: Optional[Input[Dataset]] = None,  # noqa: UP045
    iter_verdicts: Optional[Input[Dataset]] = None,  # noqa: UP045
    chosen: Optional[Input[Dataset]] = None,  # noqa: UP045
    iter_sft: Optional[Input[Model]] = None,  # noqa: UP045
    pairs: Optional[Input[Dataset]] = None,  # noqa: UP045
    iter_dpo: Optional[Input[Model]] = None,  # noqa: UP045
    tops_stop: Optional[Input[Model]] = None,  # noqa: UP045
    tops_tags: Optional[Input[Model]] = None,  # noqa: UP045
    kept: Optional[Input[Dataset]] = None,  # noqa: UP045
    subset: Optional[Input[Dataset]] = None,  # noqa: UP045
    z1: Optional[Input[Model]] = None,  # noqa: UP045
    incumbent: Optional[Input[Model]] = None,  # noqa: UP045
    added: Optional[Input[Dataset]] = None,  # noqa: UP045
    workspace: str = "",
) -> None:
    """Publish the model that the recipe names and all that it was made from.

    kfp takes no list of artifacts from different steps, so each step of a pipeline has an input.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        problems: Output of that step.
        evaluate: Output of that step; the models' figures are taken from it.
        seed_replies: Output of that step of the TOPS pipeline.
        seed_verdicts: Likewise.
        seed: Likewise.
        tag: Likewise.
        replies: Output of that step of either pipeline.
        verdicts: Output of that step of the TOPS pipeline.
        shortest: Likewise.
        tops: Likewise.
        random_right: Likewise.
        random: Likewise.
        iter_replies: Likewise.
        iter_verdicts: Likewise.
        chosen: Likewise.
        iter_sft: Likewise.
        pairs: Likewise.
        iter_dpo: Likewise.
        tops_stop: Likewise.
        tops_tags: Likewise.
        kept: Output of that step of the Z1 pipeline.
        subset: Likewise.
        z1: Likewise.
        incumbent: Output of that step of a retraining, whose version is a parent of what comes
            from it.
        added: Output of that step of a retraining.
        workspace: The run's folder on this machine; empty on a cluster.
        output: versions.json, with the version of each step.
        metrics: Versions that stand for the model and its ancestors, and the seconds it took.
    """
    from z1.stages.component import run_component

    inputs = {
        "problems": problems,
        "evaluate": evaluate,
        "seed-replies": seed_replies,
        "seed-verdicts": seed_verdicts,
        "seed": seed,
        "tag": tag,
        "replies": replies,
        "verdicts": verdicts,
        "shortest": shortest,
        "tops": tops,
        "random-right": random_right,
        "random": random,
        "iter-replies": iter_replies,
        "iter-verdicts": iter_verdicts,
        "chosen": chosen,
        "iter-sft": iter_sft,
        "pairs": pairs,
        "iter-dpo": iter_dpo,
        "tops-stop": tops_stop,
        "tops-tags": tops_tags,
        "kept": kept,
        "subset": subset,
        "z1": z1,
        "incumbent": incumbent,
        "added": added,
    }
    run_component("publish", recipe, "publish", inputs, output, metrics, step, workspace)
