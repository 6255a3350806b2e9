"""Verifiers: is the final answer of a reply the reference answer?

A verifier is a module with ``check(answer, text) -> str | None``: None if the reply is right,
else why it is wrong; one with more to say returns a whole ``Verdict``. What it raises becomes the
verdict ``error``. To add one, write its module and name it below.
"""

import importlib
import json
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from z1.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from z1.verifiers.sandbox import Settings

VERIFIERS = {
    "math": "z1.verifiers.math",
    "choice": "z1.verifiers.choice",
    "exact": "z1.verifiers.exact",
    "procedural": "z1.verifiers.procedural",
    "code": "z1.verifiers.code",
}
HEAD, HEAD_NEEDED = "head", "right only below the head that the problem gives"
"""The detail of such a program, and what the table of verdicts says of it."""
TIME_LIMIT = 10.0
"""Seconds of computing after which a verifier is stopped."""


class _Found(NamedTuple):
    verdict: str
    """``right``, ``wrong`` (also: no answer) or ``error`` (the verifier or reference failed)."""
    reason: str | None
    """Why; None if right."""


class Verdict(_Found):
    """What a verifier found: a pair of verdict and reason, with details aside."""

    details: dict[str, Any] | None
    """What else there is to say, of some verifiers; see ``z1.verifiers.code``."""

    def __new__(
        cls, verdict: str, reason: str | None, details: dict[str, Any] | None = None
    ) -> "Verdict":
        found = super().__new__(cls, verdict, reason)
        found.details = details
        return found


def load(verifier: str) -> ModuleType:
    """Return a verifier's module. Raises InputError if there is none of that name."""
    if verifier not in VERIFIERS:
        raise InputError(f"{verifier}: no such verifier; there are {', '.join(VERIFIERS)}")
    return importlib.import_module(VERIFIERS[verifier])


def check(verifier: str, answer: Any, text: str) -> Verdict:
    """Check one reply in this process, without a time limit.

    Raises InputError if there is no such verifier.
    """
    module = load(verifier)
    try:
        found: str | Verdict | None = module.check(answer, text)
    except InputError:
        raise
    except Exception as error:  # whatever fails in a verifier is its verdict, not the run's end
        named = str(error) if type(error).__name__ == "AnswerError" else repr(error)
        return Verdict("error", named[:500])
    if isinstance(found, Verdict):
        return found
    return Verdict("right" if found is None else "wrong", found)


def check_all(
    items: Sequence[tuple[str, Any, str]],
    limit: float = TIME_LIMIT,
    report: Callable[[int], None] | None = None,
    running: "Settings | None" = None,
) -> list[Verdict]:
    """Check replies on all cores; return their verdicts in the order of the items.

    An item is (verifier, reference answer decoded from JSON, text of the reply). One that takes
    more than ``limit`` seconds of computing is stopped and gets the verdict ``error``.
    ``report`` is told how many items are done, from any thread; ``running`` says how programs are
    run, which have limits of their own.

    Raises InputError if an item names a verifier that there is not, or holds a program and programs
    cannot be run here as ``running`` demands.
    """
    from z1.verifiers import pool
    from z1.verifiers.sandbox import Settings

    named = {item[0] for item in items}
    for verifier in named:
        load(verifier)
    running = running or Settings()
    if "code" in named:
        from z1.verifiers.sandbox.backends import choose

        running = running._replace(isolation=choose(running.isolation))
    return [Verdict(*result) for result in pool.run(items, limit, report, running)]


def verify_frame(
    replies: "pl.DataFrame",
    problems: "pl.DataFrame",
    report: Callable[[int], None] | None = None,
    running: "Settings | None" = None,
) -> "pl.DataFrame":
    """Check a table of replies (TRAJECTORY) to problems (PROBLEM); return it as VERIFIED.

    Raises InputError if a reply's problem is not among the problems, or as ``check_all`` does.
    """
    import polars as pl

    from z1.records import VERIFIED

    asked = problems.filter(pl.col("id").is_in(replies["problem_id"].unique().to_list()))
    known = {
        name: (verifier, json.loads(answer))
        for name, verifier, answer in asked.select("id", "verifier", "answer").iter_rows()
    }
    unknown = replies.filter(~pl.col("problem_id").is_in(list(known)))["problem_id"]
    if len(unknown):
        raise InputError(
            f"{unknown[0]}: {len(unknown)} replies are to problems that are not in the table of "
            "problems; verify replies against the problems that they were made from"
        )
    items = [
        (*known[name], text) for name, text in replies.select("problem_id", "text").iter_rows()
    ]
    verdicts = check_all(items, report=report, running=running)
    return replies.with_columns(
        pl.Series("verdict", [verdict.verdict for verdict in verdicts], VERIFIED["verdict"]),
        pl.Series("reason", [_recorded(verdict) for verdict in verdicts], pl.String),
    ).select(VERIFIED.names())


def _recorded(verdict: Verdict) -> str | None:
    """Return a verdict's reason with what else there is to say and a table keeps nowhere else."""
    details = verdict.details or {}
    head = HEAD_NEEDED if details.get(HEAD) else None
    blocked = f"blocked: {', '.join(details['blocked'])}" if "blocked" in details else None
    return "; ".join(filter(None, [verdict.reason, head, blocked])) or None
