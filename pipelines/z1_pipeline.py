"""The Z1 pipeline: from problems to a model that thinks short or long as a problem needs.

::

    problems → replies (of the teacher) → kept → subset → z1
        → evaluate (against the incumbent) → publish → gate → deploy

The teacher answers each training problem once and is asked for no effort. ``kept`` are the replies
that were not cut and do not go round in a loop, and are right if the recipe wants them verified;
``subset`` is as many of them as the recipe has tokens for.
"""

from typing import Any

from kfp import dsl

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
from z1_pipelines.tops_pipeline import ASKING


@dsl.pipeline(name="z1")
def z1_pipeline(recipe: str, workspace: str = "") -> None:
    """Train a model on a teacher's short and long replies, and test it within thinking budgets.

    Args:
        recipe: The recipe's text, with absolute paths.
        workspace: The run's folder on this machine; empty on a cluster.
    """

    made: dict[str, Any] = {}

    def do(component: Any, step: str, **arguments: Any) -> Any:
        """Add a step and return its output."""
        task = component(step=step, recipe=recipe, workspace=workspace, **arguments)
        made[step] = (
            task.set_display_name(step)
            .set_caching_options(component not in ASKING)
            .outputs["output"]
        )
        return made[step]

    given = do(problems, "problems")
    how = {"section": "teacher", "split": "train", "efforts": "none"}
    replies = do(generate, "replies", problems=given, **how)
    kept = do(filter, "kept", replies=replies, problems=given)
    subset = do(select, "subset", rule="tokens", replies=kept, problems=given)
    z1 = do(sft, "z1", section="train.z1", examples=subset, problems=given)
    sources = dict(made)  # all that a published model may come from
    in_service = do(incumbent, "incumbent")
    in_service.task.after(z1.task)  # which may take days: it may be another one by then
    evaluation = do(evaluate, "evaluate", problems=given, z1=z1, incumbent=in_service)
    published = do(publish, "publish", evaluate=evaluation, **sources)
    passed = do(gate, "gate", evaluate=evaluation, published=published)
    do(deploy, "deploy", published=published, gate=passed)
