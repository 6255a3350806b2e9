"""Retraining: the model in service trained further, once enough problems have been added.

::

    problems, incumbent → added ─ enough? ─┬─ iteration
                                           └─ full: the whole pipeline of the recipe, from its base
    iteration:
      iter-replies (of the incumbent, to what was added) → iter-verdicts → chosen → iter-sft
                                                               (or   → pairs → iter-dpo)
      → evaluate → publish → gate → deploy

kfp cannot choose between steps by what a recipe says, so each way is a pipeline of its own.
"""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from z1_components.added.component import added
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
from z1_pipelines.steps import Steps


def add_iteration(steps: Steps, method: str) -> None:
    """Add the steps that train the model in service on its own replies; ``sft`` or ``dpo``."""
    _look_anew(steps)
    do = steps.do
    given = do(problems, "problems")
    model = do(incumbent, "incumbent")
    news = do(added, "added", problems=given, incumbent=model)
    with _if_enough(news):
        how = {"section": "iterate", "split": "iteration", "efforts": "none"}
        replies = steps.sample(generate, "iter-replies", problems=news, model=model, **how)
        verdicts = do(verify, "iter-verdicts", replies=replies, problems=news)
        answers = {"replies": verdicts, "problems": news}
        if method == "sft":
            examples = do(select, "chosen", rule="shortest", **answers)
            from_chosen = {"examples": examples, "problems": news, "model": model}
            trained = do(sft, "iter-sft", section="train.iter_sft", **from_chosen)
        else:
            pairs = do(select, "pairs", rule="pairs", **answers)
            trained = do(dpo, "iter-dpo", section="train.iter_dpo", pairs=pairs, model=model)
        sources = dict(steps.made)
        models = {"incumbent": model, f"iter_{method}": trained}
        evaluation = do(evaluate, "evaluate", problems=given, **models)
        published = do(publish, "publish", evaluate=evaluation, **sources)
        passed = do(gate, "gate", evaluate=evaluation, published=published)
        do(deploy, "deploy", published=published, gate=passed)


def add_full(steps: Steps, add: Callable[[Steps], None]) -> None:
    """Add the steps of a whole pipeline, which ``add`` adds, for when there is enough to do."""
    _look_anew(steps)
    given = steps.do(problems, "problems")
    model = steps.do(incumbent, "in-service")  # the whole pipeline asks once more before its end
    news = steps.do(added, "added", problems=given, incumbent=model)
    steps.made = {"problems": given}
    with _if_enough(news):
        add(steps)


def _look_anew(steps: Steps) -> None:
    # Each run of a schedule has the same parameters, so that KFP's cache would bring back what came
    # of last week's problems.
    steps.cached = False


def _if_enough(news: Any) -> Any:
    return dsl.If(news.task.outputs["Output"] == "yes", name="enough")
