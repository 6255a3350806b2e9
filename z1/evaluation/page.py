"""``report.html``: one file that needs nothing else, made of what ``report.json`` holds."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from z1.evaluation import MODELS, curves, plots
from z1.evaluation.budgets import list_curves
from z1.evaluation.comparison import signed
from z1.evaluation.drawing import NARROW, WIDE
from z1.evaluation.report import finding, label, percent
from z1.records import EFFORTS

_LONGEST_SHOWN = 6_000  # characters of an example's reply


def render_page(report: Mapping[str, Any]) -> str:
    """Return the report as HTML; everything models and people wrote is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(signed=signed, shorten=shorten, duration=duration)
    sampled = [m for m in report["models"] if m["temperature"] == report["temperature"]]
    difficulty = []
    if any(len(model["by_difficulty"]) > 1 for model in sampled):
        for figure_of in ("thinking_tokens", "accuracy"):
            draw = functools.partial(plots.by_difficulty, sampled, figure_of)
            difficulty.append(_both(draw))
    budgets = report["budgets"]
    return environment.get_template("report.html.j2").render(
        report=report,
        finding=finding(report),
        names=MODELS,
        label=label,
        percent=percent,
        rows=table_rows(report),
        longest_stage=max((stage["seconds"] for stage in report["stages"]), default=0),
        seconds=sum(stage["seconds"] for stage in report["stages"]),
        selections=[stage for stage in report["stages"] if stage["stage"] == "select"],
        rankings=effort_rankings(report),
        tradeoff=_both(functools.partial(plots.tradeoff, sampled)),
        difficulty=difficulty,
        curves=list_curves(row["model"] for row in budgets),
        within=budget_cells(budgets),
        budgets=sorted({row["budget"] for row in budgets}),
        budget_curves=_both(functools.partial(curves.over_budgets, budgets)) if budgets else None,
    )


def table_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each model and effort: its sampled figures and its greedy ones, or None."""
    rows: dict[tuple[str, str | None], dict[str, Any]] = {}
    for model in report["models"]:
        row = rows.setdefault((model["name"], model["effort"]), {"sampled": None, "greedy": None})
        which = "sampled" if model["temperature"] == report["temperature"] else "greedy"
        row[which] = model
    return [{"model": row["sampled"] or row["greedy"], **row} for row in rows.values()]


def budget_cells(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[int, Any]]:
    """Return the rows of the budgets by curve (model and method) and budget."""
    found: dict[tuple[str, str], dict[int, Any]] = {}
    for row in rows:
        found.setdefault((row["model"], row["method"]), {})[row["budget"]] = row
    return found


def effort_rankings(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how often each effort asked for came out shortest, middle and longest, as shares.

    One entry, with the names of its ``steps``, for each set of replies that was ranked: several
    steps may select from the same replies.
    """
    found: list[dict[str, Any]] = []
    for stage in report["stages"]:
        counts = stage["details"].get("effort_ranks", {}) if stage["stage"] == "select" else {}
        problems = sum(counts.get(EFFORTS[0], {}).values())
        if not problems:
            continue
        known = [entry for entry in found if entry["counts"] == counts]
        if known:
            known[0]["steps"].append(stage["name"])
            continue
        shares = {
            effort: {place: count / problems for place, count in places.items()}
            for effort, places in counts.items()
        }
        steps = [stage["name"]]
        found.append({"steps": steps, "counts": counts, "problems": problems, "shares": shares})
    return found


def shorten(text: str) -> str:
    """Return a reply as it is shown: whole, or without the middle of a very long one."""
    if len(text) <= _LONGEST_SHOWN:
        return text
    start, end = _LONGEST_SHOWN * 2 // 3, _LONGEST_SHOWN // 3
    left_out = len(text) - start - end
    return f"{text[:start]}\n\n[… {left_out:,} characters left out …]\n\n{text[-end:]}"


def duration(seconds: float) -> str:
    """Write a length of time for people: ``8.2 s``, ``4 min 10 s``, ``3 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _both(draw: Callable[[tuple[int, int]], str]) -> dict[str, Markup]:
    """Draw a figure for wide and narrow windows. The figures are our own text, so not escaped."""
    return {"wide": Markup(draw(WIDE)), "narrow": Markup(draw(NARROW))}
