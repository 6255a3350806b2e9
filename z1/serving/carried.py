"""The thinking window that a request carries to vLLM's engine, in ``SamplingParams.extra_args``.

``{"z1_window": {"budget": 100, "hint": [ids], "reserve": 64}}``; over HTTP the same as a JSON
string in ``vllm_xargs``, whose values cannot be objects. Everything that can be wrong with it is
found before the request is admitted.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from z1.window import Window

FIELD = "z1_window"
_KEYS = {"budget", "hint", "reserve", "delimiter", "ticket"}


class Carried(NamedTuple):
    """A window, and how it fits into a reply."""

    window: Window
    reserve: int
    """Tokens kept for the answer."""
    ticket: str | None = None
    """Given where the budget is a default: one that leaves too little room then gets smaller rather
    than refused, and what it became is noted in ``settled``."""


# Budgets by their request's ticket; who asks puts a ticket in and takes it out again. Requests are
# checked in whichever thread, but always in the process that has them from the client.
settled: dict[str, int] = {}


def read(extra: Mapping[str, Any] | None) -> Carried | None:
    """Return the window among a request's extra arguments, or None. Raises ValueError."""
    if not extra or FIELD not in extra:
        return None
    given = extra[FIELD]
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ValueError(f"{FIELD} is not JSON: {error}") from error
    if not isinstance(given, Mapping):
        raise ValueError(f"{FIELD} is {given!r}; send an object with budget, hint and reserve")
    if unknown := set(given) - _KEYS:
        raise ValueError(f"{FIELD} has unknown keys: {', '.join(sorted(map(str, unknown)))}")
    if missing := {"budget", "hint", "reserve"} - set(given):
        raise ValueError(f"{FIELD} lacks {', '.join(sorted(missing))}")
    hint = tuple(whole(id, f"{FIELD}.hint") for id in _list(given["hint"], "hint"))
    ends = _list(given.get("delimiter") or [], "delimiter")
    delimiter = tuple(whole(id, f"{FIELD}.delimiter") for id in ends)
    window = Window(whole(given["budget"], f"{FIELD}.budget"), hint, delimiter)
    return Carried(window, whole(given["reserve"], f"{FIELD}.reserve"), given.get("ticket"))


def write(carried: Carried) -> str:
    """Return a window as it goes into ``vllm_xargs``."""
    window = carried.window
    fields = {"budget": window.budget, "hint": window.hint, "reserve": carried.reserve}
    return json.dumps({**fields, "ticket": carried.ticket})


def settle(carried: Carried, limit: int | None) -> Window:
    """Return the window for a reply of at most ``limit`` tokens; None where that is not known."""
    window = carried.window
    if limit is None or carried.ticket is None:
        return window
    most = max(limit - len(window.hint) - carried.reserve, 0)
    return replace(window, budget=min(window.budget, most))


def whole(value: Any, name: str) -> int:
    """Return a whole number of tokens, 0 or more. Raises ValueError for anything else."""
    # A bool is an int to Python, but nobody means one by it.
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {_show(value)}; send a whole number of tokens, 0 or more")
    return value


def _show(value: Any) -> str:
    shown = json.dumps(value, default=str)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"


def _list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{FIELD}.{name} is {_show(value)}; send a list of token ids")
    return value
