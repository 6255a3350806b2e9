"""Asking a server that was just deployed: does it answer, right and within the budget?"""

from typing import Any, NamedTuple

from z1.engines import Request
from z1.errors import InputError, RolloutError
from z1.recipe import Deployment, Endpoint, Sampling, ThinkingWindow
from z1.records import EFFORTS
from z1.verifiers import check

_ROOM = 128  # tokens beyond thinking and reserve, for the hint and a longer answer


class Answer(NamedTuple):
    """One reply to a smoke problem."""

    prompt: str
    effort: str
    verdict: str
    reason: str | None
    thinking_tokens: int
    budget: int


def describe(section: Deployment, window: ThinkingWindow) -> dict[str, Any]:
    """Return the smoke test as JSON values, kept with a version for when it is gone back to."""
    wanted = section.model_dump(mode="json", include={"smoke", "budgets"})
    return {**wanted, "window": window.model_dump(mode="json")}


def ask_again(url: str, service: str, test: dict[str, Any]) -> list[Answer]:
    """Ask what ``describe`` said. Raises as ``ask`` does."""
    section = Deployment(smoke=test["smoke"], budgets=test["budgets"])
    return ask(url, service, section, ThinkingWindow(**test["window"]))


def ask(url: str, service: str, section: Deployment, window: ThinkingWindow) -> list[Answer]:
    """Ask the smoke problems at every effort.

    Raises RolloutError if at some effort no answer is right, a reply thinks beyond its budget, or
    the server does not answer as `z1 serve` with the recipe's window. The API key is taken from
    OPENAI_API_KEY.
    """
    try:
        from z1.engines.chat import ChatEngine
    except ModuleNotFoundError as error:
        raise InputError(
            f"the smoke test needs {error.name}, which is not installed here: "
            "pip install 'z1[deploy]'"
        ) from error

    budgets: dict[str, int] = section.budgets.model_dump()
    limit = max(budgets.values()) + window.reserve + _ROOM
    endpoint = Endpoint(url=f"{url.rstrip('/')}/v1", served_model=service, api="chat")
    sampling = Sampling(engine="endpoint", temperature=0.0, max_tokens=limit, endpoint=endpoint)
    asked = [(problem, effort) for problem in section.smoke for effort in EFFORTS]
    try:
        engine = ChatEngine(sampling, endpoint, service, None, window)
        try:
            requests = [Request(problem.prompt, effort) for problem, effort in asked]
            replies = engine.sample(requests, seed=0)
        finally:
            engine.server.close()
    except InputError as error:
        raise RolloutError(f"smoke test: {error}") from error
    answers = [
        Answer(
            problem.prompt,
            effort,
            *check(problem.verifier, problem.answer, reply.text),
            reply.thinking_tokens,
            budgets[effort],
        )
        for (problem, effort), reply in zip(asked, replies, strict=True)
    ]
    _judge(answers, [reply.text for reply in replies])
    return answers


def _judge(answers: list[Answer], texts: list[Any]) -> None:
    for answer in answers:
        if answer.thinking_tokens > answer.budget:
            raise RolloutError(
                f"smoke test: at {answer.effort} effort {answer.prompt!r} was thought about for "
                f"{answer.thinking_tokens} tokens, more than the budget of {answer.budget}"
            )
    for effort in EFFORTS:
        told = [i for i, answer in enumerate(answers) if answer.effort == effort]
        if not any(answers[i].verdict == "right" for i in told):
            first = answers[told[0]]
            raise RolloutError(
                f"smoke test: at {effort} effort no answer is right; to {first.prompt!r} it is "
                f"{texts[told[0]][:200]!r} ({first.reason})"
            )
