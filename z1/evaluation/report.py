"""The report of a run: ``report.json`` as a dict, and its table on a terminal."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from z1.evaluation import METHODS, MODELS
from z1.evaluation.budgets import BUDGETED, list_curves, summarise_budgets
from z1.evaluation.comparison import check, compare, signed
from z1.evaluation.gate import INCUMBENT, decide
from z1.evaluation.metrics import natural_key, per_problem, summarise
from z1.evaluation.reach import find_reach
from z1.evaluation.scaling import TABLE_6, check_rise
from z1.recipe import Recipe, write_recipe
from z1.records import write_bytes
from z1.rounds import Judge, count_rounds

Record = Mapping[str, Any]
"""What a stage says of its output: ``stage.json``, with its inputs' records under ``parents``."""

_CUT_WORTH_SAYING = 0.01


def build_report(
    recipe: Recipe,
    replies: pl.DataFrame,
    problems: pl.DataFrame,
    records: Mapping[str, Record],
    within_budgets: pl.DataFrame | None = None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Join the figures of all replies with what the stages before said, as plain JSON values.

    ``replies`` has the columns ``metrics.EVALUATED``, ``problems`` those of PROBLEM, and
    ``records`` holds the record of every input by its name (``tops`` is the TOPS model's);
    ``within_budgets`` has the columns ``budgets.BUDGETED``, and ``judge`` finds rounds where no
    verifier can. Besides ``run``, ``recipe_sha256``,
    ``method``, ``models``, ``budgets``, ``paper`` (the Z1 paper's own curves, for a Z1 run) and
    ``stages`` the report has ``temperature`` (that of the sampled pass, which ``comparison``,
    ``checks``, ``gate`` and ``examples`` are about) and ``remarks``. ``gate`` is null unless the
    incumbent was asked for; otherwise it has what ``gate.decide`` says, the incumbent's version as
    ``incumbent``, and the recipe's ``margin`` and ``token_allowance``.
    """
    section = recipe.evaluate
    temperature = section.sampling.temperature
    means = per_problem(replies, problems)
    models = summarise(replies, means)
    stages = order_stages(records.values())
    comparison = compare(
        means,
        temperature,
        section.resamples,
        recipe.seed,
        selected_tokens(records),
    )
    within = pl.DataFrame(schema=BUDGETED) if within_budgets is None else within_budgets
    checks = check(models, comparison, temperature)
    checks += check_rise(within, section.resamples, recipe.seed)
    return {
        "run": recipe.name,
        "method": recipe.method,
        "recipe_sha256": hashlib.sha256(write_recipe(recipe).encode()).hexdigest(),
        "temperature": temperature,
        "models": models,
        "budgets": summarise_budgets(within, problems),
        "paper": TABLE_6 if recipe.method == "z1" else [],
        "reach": _find_reach(recipe, within, replies),
        "rounds": _count_rounds(replies, problems, temperature, judge) if section.rounds else [],
        "comparison": comparison,
        "checks": checks,
        "gate": _decide(recipe, means, records),
        "examples": pick_examples(replies, problems, temperature),
        "remarks": write_remarks(recipe.method, models, temperature, section.sampling.max_tokens),
        "stages": stages,
    }


def _decide(
    recipe: Recipe, means: pl.DataFrame, records: Mapping[str, Record]
) -> dict[str, Any] | None:
    if INCUMBENT not in records:
        return None
    section, gate = recipe.evaluate, recipe.evaluate.gate
    candidate = recipe.candidate(records)
    found = decide(
        means, candidate, gate, section.sampling.temperature, section.resamples, recipe.seed
    )
    version = records[INCUMBENT].get("details", {}).get("version")
    return {"incumbent": version, **gate.model_dump(), **found}


def _find_reach(
    recipe: Recipe, within: pl.DataFrame, replies: pl.DataFrame
) -> dict[str, Any] | None:
    section = recipe.evaluate
    if section.reach is None:
        return None
    return find_reach(within, replies, recipe.method, section.reach, section.resamples, recipe.seed)


def _count_rounds(
    replies: pl.DataFrame, problems: pl.DataFrame, temperature: float, judge: Judge | None
) -> list[dict[str, Any]]:
    """Return the rows of ``z1.rounds.count_rounds`` of every model, at the given temperature."""
    shown = replies.filter(pl.col("temperature") == temperature)
    return [
        {"name": name, **row}
        for name in dict.fromkeys(shown["model"])
        for row in count_rounds(shown.filter(pl.col("model") == name), problems, judge)
    ]


def order_stages(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return every stage that the outputs come from, once each, parents before children.

    Each has ``name`` (the step), ``stage``, ``seconds``, ``kept`` and ``dropped`` (both in what
    ``unit`` says), ``reasons`` and ``details``. Inputs that no stage made are left out.
    """
    found: dict[str, dict[str, Any]] = {}

    def visit(record: Record) -> None:
        if record["key"] in found:
            return
        for parent in record["parents"]:
            visit(parent)
        if "stage" in record:
            found[record["key"]] = stage_entry(record)

    for record in records:
        visit(record)
    return list(found.values())


def stage_entry(record: Record) -> dict[str, Any]:
    """Return what the report says of one stage."""
    fields = ("stage", "seconds", "kept", "dropped", "reasons", "details")
    unit = {"unit": record.get("unit", "rows")}
    return {"name": record["step"], **{name: record[name] for name in fields}, **unit}


def selected_tokens(records: Mapping[str, Record]) -> dict[str, float]:
    """Return the mean tokens of the rows each model was trained on, by model, where known."""
    found = {}
    for model, record in records.items():
        for parent in record["parents"]:
            if parent.get("stage") == "select":
                found[model] = float(parent["details"]["mean_tokens"])
    return found


def pick_examples(
    replies: pl.DataFrame, problems: pl.DataFrame, temperature: float
) -> list[dict[str, Any]]:
    """Show one of the easiest and one of the hardest problems as tag-high and TOPS answered them,
    or as the base and Z1 did.

    Of each it is the first problem by id that all of them got right at the first seed; the
    first problem where there is none. Empty if the run has neither model.
    """
    name, effort = pl.col("model"), pl.col("effort")
    if (replies["model"] == "z1").any():
        pair = name.is_in(["base", "z1"])
    else:
        pair = ((name == "tag") & (effort == "high")) | ((name == "tops") & effort.is_null())
    shown = replies.filter(pl.col("temperature") == temperature, pair)
    shown = shown.filter(
        pl.col("seed") == pl.col("seed").min(), pl.col("sample") == pl.col("sample").min()
    ).sort("model", "effort")
    labels = sorted(problems["difficulty"].drop_nulls().unique(), key=natural_key)
    wanted: list[str | None] = [labels[0], labels[-1]] if len(labels) > 1 else [None]
    right = shown.group_by("problem_id").agg(all_right=(pl.col("verdict") == "right").all())
    candidates = problems.join(right, left_on="id", right_on="problem_id").sort(
        "all_right", "id", descending=[True, False]
    )
    examples = []
    for label in wanted:
        chosen = candidates if label is None else candidates.filter(pl.col("difficulty") == label)
        for problem in chosen.head(1).iter_rows(named=True):
            columns = ("model", "effort", "text", "thinking_tokens", "verdict", "finish_reason")
            given = shown.filter(pl.col("problem_id") == problem["id"]).select(columns)
            examples.append(
                {
                    "difficulty": problem["difficulty"],
                    "prompt": problem["prompt"],
                    "answer": _plain_answer(problem["answer"]),
                    "all_right": problem["all_right"],
                    "replies": given.to_dicts(),
                }
            )
    return examples


def _plain_answer(encoded: str) -> str:
    """Return a problem's reference answer as people write it."""
    answer = json.loads(encoded)
    if isinstance(answer, dict) and "answer" in answer:  # an entry of reasoning-gym
        answer = answer["answer"]
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def write_remarks(
    method: str | None, models: list[dict[str, Any]], temperature: float, max_tokens: int
) -> list[str]:
    """Say what a careful reader should know before believing the figures."""
    sampled = [model for model in models if model["temperature"] == temperature]
    problems = max(model["problems"] for model in sampled)
    seeds = max(model["seeds"] for model in sampled)
    own = {model["name"] for model in models} & set(MODELS)
    untrained = " that no model of this run was trained on" if own else ""
    how = (
        f"with {seeds} sampling seed{'s' * (seeds > 1)} at temperature {temperature:g} and, where "
        "temperature 0 is shown, once more"
        if temperature > 0
        else "once, at temperature 0"
    )
    remarks = [
        f"Every figure comes from {problems:,} problems{untrained}, answered {how}.",
        "± is one standard error. The replies to a problem are averaged first and the error is "
        "taken over problems, so it covers other problems and other sampling seeds. Each model "
        "was trained once: it does not cover the chance in training.",
    ]
    if problems < 500 or (temperature > 0 and seeds < 3):
        remarks.append(
            "This is less than 500 problems and 3 seeds: take the figures as a trial, not a result."
        )
    missing = [MODELS[name] for name in METHODS[method] if own and name not in own]
    if missing:
        remarks.append(f"Not part of this run: {', '.join(missing)}.")
    for model in sampled:
        if model["cut_share"] > _CUT_WORTH_SAYING:
            remarks.append(
                f"{100 * model['cut_share']:.1f} % of the replies of {label(model)} were cut at "
                f"{max_tokens:,} tokens, so it would have spent more than is shown."
            )
    for model in sampled:
        if model["accuracy_alone"] < model["accuracy"]:
            remarks.append(
                f"{label(model)} is right on {100 * model['accuracy']:.1f} % with the imports and "
                "the head of the function that a problem gives put before its programs, as "
                "BigCodeBench's calibrated score has it, and on "
                f"{100 * model['accuracy_alone']:.1f} % without."
            )
    errors = sum(model["errors"] for model in models)
    if errors:
        remarks.append(
            f"{errors:,} replies could not be checked, because the verifier failed on them; they "
            "count as not right."
        )
    return remarks


def label(model: Mapping[str, Any]) -> str:
    """Return a model's name as people read it, with its effort: ``Tag high``."""
    name = MODELS.get(model["name"], model["name"])
    return f"{name} {model['effort']}" if model["effort"] else name


def finding(report: Mapping[str, Any]) -> str:
    """Say in one sentence what the run found."""
    comparison = report["comparison"]
    if comparison is None or comparison["token_ratio"] is None:
        if rise := [held["text"] for held in report["checks"] if held["name"] == "rises"]:
            return str(rise[0])
        names = list(dict.fromkeys(MODELS.get(m["name"], m["name"]) for m in report["models"]))
        return f"How right and how long {', '.join(names)} answer."
    tokens, points = comparison["token_ratio"], comparison["accuracy_difference"]
    change = 100 * (1 - tokens["value"])
    amount = f"{abs(change):.0f} % {'fewer' if change >= 0 else 'more'} thinking tokens"
    higher = "higher" if points["value"] >= 0 else "lower"
    return (
        f"Trained on the shortest right replies, the model spends {amount} than when trained on "
        f"random right ones; its accuracy is {abs(100 * points['value']):.1f} points {higher} "
        f"(95 % interval {signed(100 * points['low'])} to {signed(100 * points['high'])})."
    )


def copy_reports(evaluated: Path, folder: Path) -> None:
    """Copy the reports that the evaluate stage wrote to where people look for them."""
    for name in ("report.html", "report.json"):
        write_bytes(folder / name, (evaluated / name).read_bytes())


def print_table(report: Mapping[str, Any]) -> None:
    """Print model, effort, accuracy ± standard error and thinking tokens on the terminal."""
    from rich.console import Console
    from rich.table import Table

    temperatures = sorted({m["temperature"] for m in report["models"]}, reverse=True)
    console = Console()
    for temperature in temperatures:
        rows = [m for m in report["models"] if m["temperature"] == temperature]
        seeds = max(row["seeds"] for row in rows)
        how = f"temperature {temperature:g}, {seeds} seed{'s' * (seeds > 1)}"
        table = Table(title=f"{report['run']}: {rows[0]['problems']} problems, {how}")
        table.add_column("model")
        table.add_column("effort")
        table.add_column("accuracy ± standard error", justify="right")
        table.add_column("thinking tokens", justify="right")
        heads = any(row["accuracy_alone"] < row["accuracy"] for row in rows)
        if heads:
            table.add_column("without the problem's head", justify="right")
        for row in rows:
            alone = [percent(row["accuracy_alone"], None)] if heads else []
            table.add_row(
                row["name"],
                row["effort"] or "–",
                percent(row["accuracy"], row["accuracy_stderr"]),
                f"{row['thinking_tokens']:,.1f}",
                *alone,
            )
        console.print(table)
    if report["budgets"]:
        console.print(_budget_table(report["budgets"]))
    for held in report["checks"]:
        # Plain text: a person's own run name may hold square brackets.
        mark = "holds      " if held["holds"] else "FALLS SHORT"
        console.print(f"{mark}  {held['text']}", markup=False, highlight=False)
    if gate := report["gate"]:
        mark = "opens " if gate["opens"] else "CLOSED"
        console.print(f"gate {mark} {gate['text']}", markup=False, highlight=False)


def _budget_table(rows: list[dict[str, Any]]) -> Any:
    """Return the figures within budgets as a table, a row a budget."""
    from rich.table import Table

    table = Table(title=f"within budgets, greedily: {rows[0]['problems']} problems")
    table.add_column("budget", justify="right")
    curves = list_curves(row["model"] for row in rows)
    cells = {(row["model"], row["method"], row["budget"]): row for row in rows}
    for text in curves.values():
        table.add_column(f"{text}\naccuracy (thinking tokens)", justify="right")
    for budget in sorted({row["budget"] for row in rows}):
        shown = [cells[(*curve, budget)] for curve in curves]
        table.add_row(
            f"{budget:,}",
            *(
                f"{percent(cell['accuracy'], cell['accuracy_stderr'])} "
                f"({cell['thinking_tokens']:,.1f})"
                for cell in shown
            ),
        )
    return table


def percent(share: float, stderr: float | None) -> str:
    """Write a share with its standard error in percent: ``95.4 ± 0.9 %``."""
    error = "" if stderr is None else f" ± {100 * stderr:.1f}"
    return f"{100 * share:.1f}{error} %"
