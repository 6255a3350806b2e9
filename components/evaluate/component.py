"""The component that tests the models of a pipeline and writes the report."""

from typing import Optional

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from z1_components.pools import SAMPLING_IMAGE


@dsl.component(base_image=SAMPLING_IMAGE, install_kfp_package=False)
def evaluate(
    recipe: str,
    step: str,
    problems: Input[Dataset],
    output: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    tag: Optional[Input[Model]] = None,  # noqa: UP045 - kfp reads this form only
    random: Optional[Input[Model]] = None,  # noqa: UP045
    tops: Optional[Input[Model]] = None,  # noqa: UP045
    iter_sft: Optional[Input[Model]] = None,  # noqa: UP045
    iter_dpo: Optional[Input[Model]] = None,  # noqa: UP045
    tops_stop: Optional[Input[Model]] = None,  # noqa: UP045
    tops_tags: Optional[Input[Model]] = None,  # noqa: UP045
    z1: Optional[Input[Model]] = None,  # noqa: UP045
    incumbent: Optional[Input[Model]] = None,  # noqa: UP045
    workspace: str = "",
) -> None:
    """Test the models, the recipe's base model and its baselines on the evaluation problems.

    Args:
        recipe: The recipe's text, with absolute paths.
        step: Name of the output folder.
        problems: Output of the problems component.
        tag: The model that carries the effort prompts.
        random: The baseline, trained on random right replies.
        tops: The thinking-optimal model.
        iter_sft: The thinking-optimal model after another round of fine-tuning.
        iter_dpo: The thinking-optimal model after training on preferences.
        tops_stop: The thinking-optimal model, trained to stop; tested over budgets alone.
        tops_tags: The same, trained with tags around its thinking; tested over budgets alone.
        z1: The model of the Z1 pipeline.
        incumbent: Output of the incumbent component: the model in service, if there is one.
        workspace: The run's folder on this machine; empty on a cluster.
        output: Every reply with its verdict, report.json and report.html.
        report: The report as a page.
        metrics: Replies tested, and the seconds it took.
    """
    import shutil

    from z1.stages.component import run_component

    inputs = {
        "problems": problems,
        "tag": tag,
        "random": random,
        "tops": tops,
        "iter-sft": iter_sft,
        "iter-dpo": iter_dpo,
        "tops-stop": tops_stop,
        "tops-tags": tops_tags,
        "z1": z1,
        "incumbent": incumbent,
    }
    folder = run_component("evaluate", recipe, "evaluate", inputs, output, metrics, step, workspace)
    shutil.copyfile(folder / "report.html", report.path)
