"""The TOPS pipeline: from problems to a model that thinks as long as a problem needs.

::

    problems ─┬─ seed-replies → seed-verdicts → seed → tag
              ├─ replies (of tag) → verdicts ─┬─ shortest → tops (, tops-stop, tops-tags)
              │                               └─ random-right → random, the baseline
              ├─ iter-replies (of tops) → iter-verdicts ─┬─ chosen → iter-sft
              │                                          └─ pairs → iter-dpo
              └─ evaluate (against the incumbent) → publish → gate → deploy

The models in brackets are trained for an evaluation over thinking budgets. kfp has no condition
around a step whose output is used outside of it, so that is a pipeline of its own, of the same
steps: ``budgets_pipeline.py``.
"""

from typing import Any

from z1_components.deploy.component import deploy
from z1_components.dpo.component import dpo
from z1_components.evaluate.component import evaluate
from z1_components.gate.component import gate
from z1_components.generate.component import generate
from z1_components.incumbent.component import incumbent
from z1_components.problems.component import problems
from z1_components.publish.component import publish
from z1_components.select.component import select
from z1_components.sft.component import sft
from z1_components.verify.component import verify
from z1_pipelines.steps import Steps, on_cluster


def add_steps(steps: Steps, budgets: bool = False) -> None:
    """Add the steps to the pipeline under construction.

    ``budgets`` adds what an evaluation over thinking budgets needs.
    """
    do, made = steps.do, steps.made

    given = made.get("problems") or do(problems, "problems")

    def answer(name: str, section: str, split: str, efforts: str, **model: Any) -> Any:
        """Sample replies and verify them."""
        how = {"section": section, "split": split, "efforts": efforts}
        replies = steps.sample(generate, f"{name}replies", problems=given, **how, **model)
        return do(verify, f"{name}verdicts", replies=replies, problems=given)

    seed_verdicts = answer("seed-", section="teacher", split="seed", efforts="all")
    seed = do(select, "seed", rule="seed", replies=seed_verdicts, problems=given)
    tag = do(sft, "tag", section="train.tag", examples=seed, problems=given)

    verdicts = answer("", section="generate", split="train", efforts="all", model=tag)
    from_tag = {"replies": verdicts, "problems": given, "seed": seed}
    shortest = do(select, "shortest", rule="shortest", **from_tag)
    how = {"section": "train.tops", "problems": given}
    tops = do(sft, "tops", examples=shortest, **how)
    random_right = do(select, "random-right", rule="random", **from_tag)
    random = do(sft, "random", examples=random_right, **how)

    iter_verdicts = answer(
        "iter-", section="iterate", split="iteration", efforts="none", model=tops
    )
    from_tops = {"replies": iter_verdicts, "problems": given}
    chosen = do(select, "chosen", rule="shortest", **from_tops)
    from_chosen = {"examples": chosen, "problems": given, "model": tops}
    iter_sft = do(sft, "iter-sft", section="train.iter_sft", **from_chosen)
    pairs = do(select, "pairs", rule="pairs", **from_tops)
    iter_dpo = do(dpo, "iter-dpo", section="train.iter_dpo", pairs=pairs, model=tops)

    models = {"tag": tag, "random": random, "tops": tops}
    models |= {"iter_sft": iter_sft, "iter_dpo": iter_dpo}
    if budgets:
        rows = {"examples": shortest, "problems": given}
        models["tops_stop"] = do(sft, "tops-stop", section="train.tops_stop", **rows)
        models["tops_tags"] = do(sft, "tops-tags", section="train.tops_tags", **rows)
    sources = dict(made)  # all that a published model may come from
    in_service = do(incumbent, "incumbent")
    # After all trainings, which may take days: it may be another one by then.
    in_service.task.after(*(model.task for model in models.values()))
    evaluation = do(evaluate, "evaluate", problems=given, incumbent=in_service, **models)
    published = do(publish, "publish", evaluate=evaluation, **sources)
    passed = do(gate, "gate", evaluate=evaluation, published=published)
    do(deploy, "deploy", published=published, gate=passed)


tops_pipeline = on_cluster(
    "tops",
    "Train a tag model, the thinking-optimal model, its baseline and its iterations; test all.",
    add_steps,
)
