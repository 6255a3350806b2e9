"""The Z1 pipeline: from problems to a model that thinks short or long as a problem needs.

::

    problems → replies (of the teacher) → kept → subset → z1
        → evaluate (against the incumbent) → publish → gate → deploy

The teacher answers each training problem once and is asked for no effort. ``kept`` are the replies
that were not cut and do not go round in a loop, and are right if the recipe wants them verified;
``subset`` is as many of them as the recipe has tokens for.
"""

from z1_components.deploy.component import deploy
from z1_components.evaluate.component import evaluate
from z1_components.filter.component import filter
from z1_components.gate.component import gate
from z1_components.generate.component import generate
from z1_components.incumbent.component import incumbent
from z1_components.problems.component import problems
from z1_components.publish.component import publish
from z1_components.select.component import select
from z1_components.sft.component import sft
from z1_pipelines.steps import Steps, on_cluster


def add_steps(steps: Steps) -> None:
    """Add the steps to the pipeline under construction."""
    do = steps.do

    given = steps.made.get("problems") or do(problems, "problems")
    how = {"section": "teacher", "split": "train", "efforts": "none"}
    replies = steps.sample(generate, "replies", problems=given, **how)
    kept = do(filter, "kept", replies=replies, problems=given)
    subset = do(select, "subset", rule="tokens", replies=kept, problems=given)
    z1 = do(sft, "z1", section="train.z1", examples=subset, problems=given)
    sources = dict(steps.made)  # all that a published model may come from
    in_service = do(incumbent, "incumbent")
    in_service.task.after(z1.task)  # which may take days: it may be another one by then
    evaluation = do(evaluate, "evaluate", problems=given, z1=z1, incumbent=in_service)
    published = do(publish, "publish", evaluate=evaluation, **sources)
    passed = do(gate, "gate", evaluate=evaluation, published=published)
    do(deploy, "deploy", published=published, gate=passed)


z1_pipeline = on_cluster(
    "z1",
    "Train a model on a teacher's short and long replies, and test it within thinking budgets.",
    add_steps,
)
