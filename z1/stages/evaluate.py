"""Test every model on the evaluation problems, and write the report of the run.

Inputs: ``problems``, and any of the models ``tag``, ``random``, ``tops``, ``iter-sft``,
``iter-dpo`` and ``z1``; ``base`` is the recipe's own model unless it is given. With budgets in the
recipe, ``tops`` is tested over them too, and so are ``tops-stop`` and ``tops-tags``; of the Z1
pipeline ``z1`` and the base. The output holds
``replies/CELL/``, the sampled parts of each model, effort, temperature and seed;
``verdicts/MODEL.parquet``, the same replies verified (columns ``z1.evaluation.metrics.EVALUATED``);
``replies/MODEL-budgets/`` and ``verdicts/budgets/MODEL.parquet``, the same within the budgets
(columns ``z1.evaluation.budgets.BUDGETED``); ``report.json`` and ``report.html``. Whatever of it
an earlier attempt left is gone on with.
"""

import json
import time
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

from z1.efforts import expects_effort
from z1.engines import Engine, build_requests, open_engine, sample_parts
from z1.errors import InputError
from z1.evaluation import MODELS
from z1.evaluation.budgets import BUDGETED, CURVES, TaggedEngine, truncate
from z1.evaluation.counting import recount
from z1.evaluation.judge import ask_judge
from z1.evaluation.metrics import EVALUATED
from z1.evaluation.page import render_page
from z1.evaluation.report import build_report, stage_entry
from z1.models import load_tokenizer
from z1.recipe import BaseModelSection, Evaluation
from z1.records import (
    EFFORTS,
    PROBLEM,
    TRAJECTORY,
    VERIFIED,
    WINDOWED,
    scan,
    write_bytes,
    write_part,
)
from z1.rounds import CHECKABLE
from z1.stages import Metrics, Work, read_record
from z1.verifiers import verify_frame

USES = ("name", "method", "seed", "model")

Model = str | BaseModelSection
"""What an engine opens."""


class Cell(NamedTuple):
    """Replies sampled in one way, each in a folder of its own."""

    model: str
    effort: str | None
    temperature: float
    seed: int
    samples: int

    def folder(self) -> str:
        """Return the name of the folder of these replies."""
        return f"{self.model}-{self.effort or 'none'}-t{self.temperature:g}-s{self.seed}"


def run(work: Work) -> Metrics:
    """Sample, verify and report.

    Raises InputError if there is no problem to test on, or an input is no model of a run.
    """
    started = time.monotonic()
    if "problems" not in work.inputs:
        raise InputError("evaluate needs the input 'problems', the output of the problems stage")
    problems = scan(work.inputs["problems"] / "evaluation.parquet", PROBLEM).collect()
    if problems.is_empty():
        raise InputError(
            "the evaluation split holds no problems: raise problems.splits.evaluation, or give a "
            "source of problems `split: evaluation`"
        )
    models = find_models(work)
    section: Evaluation = work.section
    plan = {name: list_cells(name, model, section) for name, model in models.items()}
    budgeted = find_budgeted(work)
    total = problems.height * (
        sum(cell.samples for cells in plan.values() for cell in cells)
        + len(budgeted) * len(set(section.budgets))
    )
    done, tables = 0, []
    for name, cells in plan.items():
        verdicts = work.output / "verdicts" / f"{name}.parquet"
        if not verdicts.is_file():
            _sample(work, models[name], cells, problems, done, total)
            write_part(_verify(work, cells, problems), verdicts, EVALUATED)
        done += problems.height * sum(cell.samples for cell in cells)
        work.report(done, total)
        tables.append(scan(verdicts, EVALUATED).collect())
    replies = pl.concat(tables)
    within = pl.DataFrame(schema=BUDGETED)
    for name, model in budgeted.items():
        verdicts = work.output / "verdicts" / "budgets" / f"{name}.parquet"
        if not verdicts.is_file():
            _sample_budgets(work, name, model, problems, done, total)
            write_part(_verify_budgets(work, name, problems), verdicts, BUDGETED)
        done += problems.height * len(set(section.budgets))
        work.report(done, total)
        within.extend(scan(verdicts, BUDGETED).collect())

    if section.tokenizer is not None:
        tokenizer = load_tokenizer(section.tokenizer)
        replies, within = recount(replies, tokenizer), recount(within, tokenizer)
    records = {name: read_record(path) for name, path in work.inputs.items()}
    judge = None
    needed = section.rounds and not set(problems["verifier"]) <= set(CHECKABLE)
    if needed and section.judge is not None:
        engine = open_engine(section.judge.sampling, section.judge.model)
        judge = partial(ask_judge, engine, seed=work.recipe.seed)
    report = build_report(work.recipe, replies, problems, records, within, judge)
    own: dict[str, Any] = {
        "stage": "evaluate",
        "step": work.step,
        "seconds": round(time.monotonic() - started, 2),
        "kept": total,
        "dropped": 0,
        "reasons": {},
        "details": {
            "problems": problems.height,
            "models": list(dict.fromkeys([*models, *budgeted])),
        },
    }
    report["stages"].append(stage_entry(own))
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(work.output / "report.json", text.encode())
    write_bytes(work.output / "report.html", render_page(report).encode())
    return Metrics(kept=total, dropped={}, details=own["details"])


def find_models(work: Work) -> dict[str, Model]:
    """Return the folder of every model to test in the report's order; of the base, its section.

    Raises InputError if an input is neither a model that z1 knows nor the problems.
    """
    known = list(dict.fromkeys([*MODELS, *(model for model, _ in CURVES)]))
    unknown = [name for name in work.inputs if name not in ("problems", *known)]
    if unknown:
        raise InputError(
            f"input {unknown[0]!r}: evaluate knows no such model; it tests {', '.join(known)}"
        )
    given: dict[str, Model] = {name: str(path) for name, path in work.inputs.items()}
    given.setdefault("base", work.recipe.model)
    return {name: given[name] for name in MODELS if name in given}


def find_budgeted(work: Work) -> dict[str, Model]:
    """Return every model to test over budgets, in the report's order; for Z1 also the base."""
    if not work.section.budgets:
        return {}
    given: dict[str, Model] = {name: str(path) for name, path in work.inputs.items()}
    if work.recipe.method == "z1":
        given.setdefault("base", work.recipe.model)
    return {name: given[name] for name, _ in CURVES if name in given}


def list_cells(name: str, model: Model, section: Evaluation) -> list[Cell]:
    """Return how a model is sampled: every effort it knows, at every seed, and greedily."""
    asked = isinstance(model, str) and expects_effort(model)
    efforts: tuple[str | None, ...] = EFFORTS if asked else (None,)
    sampling = section.sampling
    ways: list[tuple[float, int, int]] = []
    if sampling.temperature > 0:
        seeds = dict.fromkeys(section.seeds)
        ways += [(sampling.temperature, seed, sampling.samples) for seed in seeds]
    if section.greedy or not ways:
        ways.append((0.0, 0, 1))
    return [Cell(name, effort, *way) for way in ways for effort in efforts]


def _sample(
    work: Work, model: Model, cells: list[Cell], problems: pl.DataFrame, done: int, total: int
) -> None:
    section: Evaluation = work.section
    for temperature, group in groupby(cells, key=lambda cell: cell.temperature):
        sampling = section.sampling.model_copy(update={"temperature": temperature})
        engine = open_engine(sampling, model)
        for cell in group:
            requests = build_requests(problems, [cell.effort], cell.samples)
            folder = work.output / "replies" / cell.folder()
            report = partial(_report_from, work, done, total)
            sample_parts(engine, requests, folder, cell.seed, sampling.part_size, report)
            done += requests.height


def _report_from(work: Work, before: int, total: int, done: int, _: int) -> None:
    work.report(before + done, total)


def _verify(work: Work, cells: list[Cell], problems: pl.DataFrame) -> pl.DataFrame:
    """Verify all replies of a model at once, since starting the verifiers costs seconds."""
    # A table of replies holds each (problem, effort, sample) once, so the samples are numbered
    # through all seeds and temperatures here, and get their own numbers back afterwards.
    width = max(cell.samples for cell in cells)
    parts = [
        scan(work.output / "replies" / cell.folder(), TRAJECTORY).with_columns(
            pl.col("sample") + place * width
        )
        for place, cell in enumerate(cells)
    ]
    places = pl.DataFrame(
        {
            "place": range(len(cells)),
            "model": [cell.model for cell in cells],
            "temperature": [cell.temperature for cell in cells],
            "seed": [cell.seed for cell in cells],
        },
        schema_overrides={"place": pl.Int32},
    )
    verified: pl.DataFrame = verify_frame(pl.concat(parts).collect(), problems).select(
        VERIFIED.names()
    )
    return (
        verified.with_columns(place=pl.col("sample") // width, sample=pl.col("sample") % width)
        .join(places, on="place", how="left")
        .select(EVALUATED.names())
    )


def _sample_budgets(
    work: Work, name: str, model: Model, problems: pl.DataFrame, done: int, total: int
) -> None:
    """Sample a greedy reply to each problem within each budget."""
    section: Evaluation = work.section
    sampling = section.sampling.model_copy(update={"temperature": 0.0})
    window, closing = work.recipe.window, _closing_tag(work, name)
    if closing is not None:
        window = window.model_copy(update={"hint": closing, "delimiter": closing})
    engine: Engine = open_engine(sampling, model, window=window)
    if closing is not None:
        engine = TaggedEngine(engine, load_tokenizer(model), closing)
    budgets = pl.DataFrame({"budget": sorted(set(section.budgets))}, schema={"budget": pl.Int32})
    requests = budgets.join(build_requests(problems, [None], samples=1), how="cross")
    folder = work.output / "replies" / f"{name}-budgets"
    report = partial(_report_from, work, done, total)
    sample_parts(engine, requests, folder, 0, sampling.part_size, report)


def _closing_tag(work: Work, name: str) -> str | None:
    """Return the tag with which a model closes its thinking, or None if it was trained without."""
    if (name, "tags") not in CURVES:
        return None
    training = work.recipe.train.tops_tags
    assert training is not None  # the recipe sees to it that both are there where budgets are
    assert training.tags is not None
    return training.tags.closing


def _verify_budgets(work: Work, name: str, problems: pl.DataFrame) -> pl.DataFrame:
    """Verify a model's replies in each method that they stand for."""
    sampled = scan(work.output / "replies" / f"{name}-budgets", WINDOWED).collect()
    tables = [
        (truncate(sampled) if method == "truncation" else sampled).with_columns(
            model=pl.lit(name), method=pl.lit(method)
        )
        for model, method in CURVES
        if model == name
    ]
    replies = pl.concat(tables)
    verdicts = verify_frame(replies, problems).select("verdict", "reason")
    return replies.hstack(verdicts)
