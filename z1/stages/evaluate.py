"""Test every model on the evaluation problems, and write the report of the run.

Inputs: ``problems``, and any of the models ``tag``, ``random``, ``tops``, ``iter-sft``,
``iter-dpo`` and ``z1``; ``base`` is the recipe's own model unless it is given, and the recipe's
baselines are tested too. ``incumbent``, the output of that stage, is tested where it holds a model;
the report then says whether the model that is published may replace it. With budgets in the recipe,
``tops`` and the baselines are tested over them, and so are ``tops-stop`` and ``tops-tags``; of the
Z1 pipeline ``z1``, the base and the baselines. The output holds ``replies/CELL/``, the sampled
parts of each model, effort, temperature and seed;
``verdicts/MODEL.parquet``, the same replies verified (columns ``z1.evaluation.metrics.EVALUATED``);
``replies/MODEL-budgets/`` and ``verdicts/budgets/MODEL.parquet``, the same within the budgets
(columns ``z1.evaluation.budgets.BUDGETED``); ``report.json`` and ``report.html``; and
``figures/``, the report's figures for tools (``z1.evaluation.figures``). Whatever of it an earlier
attempt left is gone on with.

``sampled.json`` has a key for each table of verdicts, made of all that its replies depend on. A
later evaluation takes over the replies and verdicts of an earlier one under the same key: one new
model, or another drawing of the report, samples nothing else again.
"""

import json
import time
from collections.abc import Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from z1.efforts import expects_effort
from z1.engines import Engine, build_requests, open_engine, sample_parts
from z1.errors import InputError
from z1.evaluation import MODELS
from z1.evaluation.budgets import BUDGETED, CURVES, TaggedEngine, list_curves, truncate
from z1.evaluation.counting import recount
from z1.evaluation.figures import write_figures
from z1.evaluation.gate import INCUMBENT
from z1.evaluation.judge import ask_judge
from z1.evaluation.metrics import EVALUATED
from z1.evaluation.page import render_page
from z1.evaluation.report import build_report, stage_entry
from z1.models import load_tokenizer
from z1.recipe import Baseline, BaseModelSection, Evaluation, Sampling, ThinkingWindow
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
from z1.stages import Metrics, Work, code_digest, make_key, read_record
from z1.verifiers import verify_frame
from z1.verifiers.sandbox import Settings

USES = ("name", "method", "seed", "model", "verify", "publish")

SAMPLED = "sampled.json"
REPORT_ONLY = (
    "rounds.py",
    *(
        f"evaluation/{name}"
        for name in (
            "answers.py",
            "bootstrap.py",
            "comparison.py",
            "counting.py",
            "curves.py",
            "drawing.py",
            "figures.py",
            "gate.py",
            "judge.py",
            "page.py",
            "plots.py",
            "reach.py",
            "report.html.j2",
            "report.py",
            "scaling.py",
        )
    ),
)
"""Source files that replies and verdicts do not depend on; what is not listed counts."""

Model = str | BaseModelSection | Baseline
"""A model's folder, or what the recipe says of it."""


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
    keys = _make_keys(work, models, budgeted)
    cells_of = {name: [cell.folder() for cell in cells] for name, cells in plan.items()}
    cells_of |= {f"budgets/{name}": [f"{name}-budgets"] for name in budgeted}
    taken_over = _take_over(work, keys, cells_of)
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

    write_bytes(work.output / SAMPLED, json.dumps(keys, indent=1).encode())
    if section.tokenizer is not None:
        tokenizer = load_tokenizer(section.tokenizer)
        replies, within = recount(replies, tokenizer), recount(within, tokenizer)
    records = {name: read_record(path) for name, path in work.inputs.items()}
    if INCUMBENT not in models and work.recipe.publish.registry is None:
        records.pop(INCUMBENT, None)  # nobody asked for it: there is no service to take over
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
        "unit": "replies",
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
    write_figures(report, work.output / "figures")
    return Metrics(total, {}, own["details"], own["unit"], taken_over)


def _make_keys(
    work: Work, models: Mapping[str, Model], budgeted: Mapping[str, Model]
) -> dict[str, str]:
    """Return a key of all that replies and verdicts depend on, by their table's name."""
    fields = {name: getattr(work.section, name) for name in Evaluation.model_fields}
    for name in ("resamples", "tokenizer", "rounds", "judge", "reach", "gate"):  # the report's own
        del fields[name]
    del fields["baselines"]  # each stands in the key of its own replies
    plain = {name: fields[name] for name in fields if name != "budgets"}
    shared = {
        "problems": read_record(work.inputs["problems"])["key"],
        "verify": work.recipe.verify,
        "code": code_digest("z1.stages.evaluate", REPORT_ONLY),
    }

    def key(model: Model, **more: Any) -> str:
        return make_key({"model": _identify(model), **shared, **more})

    keys = {name: key(model, name=name, section=plain) for name, model in models.items()}
    for name, model in budgeted.items():
        window = {"window": work.recipe.window, "closing": _closing_tag(work, name)}
        keys[f"budgets/{name}"] = key(model, name=name, section=fields, **window)
    return keys


def _identify(model: Model) -> Any:
    """Return what tells a model from others; the incumbent's content, whatever code brought it."""
    if not isinstance(model, str):
        return model
    record = read_record(Path(model))
    return record.get("details", {}).get("digest", record["key"])


def _take_over(work: Work, keys: Mapping[str, str], cells: Mapping[str, list[str]]) -> bool:
    """Copy what an earlier evaluation sampled and verified under the same keys, if any."""
    record = work.earlier and work.earlier / SAMPLED
    if not record or not record.is_file():
        return False
    assert work.earlier is not None
    before = json.loads(record.read_bytes())
    found = False
    for table, key in keys.items():
        verdicts = Path("verdicts", f"{table}.parquet")
        if before.get(table) != key or (work.output / verdicts).is_file():
            continue
        folders = [work.earlier / "replies" / cell for cell in cells[table]]
        parts = [path for folder in folders for path in sorted(folder.glob("*.parquet"))]
        # The verdicts last: they tell that all replies are there.
        for path in [*(part.relative_to(work.earlier) for part in parts), verdicts]:
            write_bytes(work.output / path, (work.earlier / path).read_bytes())
        found = True
    return found


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
    given: dict[str, Model] = {
        name: str(path)
        for name, path in work.inputs.items()
        if name != INCUMBENT or (path / "config.json").is_file()
    }
    if work.recipe.model is not None:  # a trial of a model has no base
        given.setdefault("base", work.recipe.model)
    return {name: given[name] for name in MODELS if name in given} | _baselines(work)


def find_budgeted(work: Work) -> dict[str, Model]:
    """Return every model to test over budgets, in the report's order; for Z1 also the base."""
    if not work.section.budgets:
        return {}
    given: dict[str, Model] = {name: str(path) for name, path in work.inputs.items()}
    if work.recipe.method == "z1":
        given.setdefault("base", work.recipe.model)
    return {name: given[name] for name, _ in CURVES if name in given} | _baselines(work)


def _baselines(work: Work) -> dict[str, Model]:
    return {baseline.name: baseline for baseline in work.section.baselines}


def list_cells(name: str, model: Model, section: Evaluation) -> list[Cell]:
    """Return how a model is sampled: every effort it knows, at every seed, and greedily."""
    path = model.model if isinstance(model, Baseline) else model
    asked = isinstance(path, str) and expects_effort(path)
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
        engine = _open(sampling, model)
        for cell in group:
            requests = build_requests(problems, [cell.effort], cell.samples)
            folder = work.output / "replies" / cell.folder()
            report = work.report_after(done, total)
            size = sampling.part_size
            sample_parts(engine, requests, folder, cell.seed, size, report, work.keep)
            done += requests.height


def _open(sampling: Sampling, model: Model, window: ThinkingWindow | None = None) -> Engine:
    if isinstance(model, Baseline):
        if model.endpoint is not None:
            answering = {"engine": "endpoint", "endpoint": model.endpoint}
            sampling = sampling.model_copy(update=answering)
        served = model.endpoint and model.endpoint.served_model
        model = model.model or served or model.name
    return open_engine(sampling, model, window=window)


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
    running = Settings.of(work.recipe.verify)
    verified: pl.DataFrame = verify_frame(
        pl.concat(parts).collect(), problems, running=running
    ).select(VERIFIED.names())
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
    engine = _open(sampling, model, window)
    if closing is not None:
        assert isinstance(model, str)  # one of the run's own
        engine = TaggedEngine(engine, load_tokenizer(model), closing)
    budgets = pl.DataFrame({"budget": sorted(set(section.budgets))}, schema={"budget": pl.Int32})
    requests = budgets.join(build_requests(problems, [None], samples=1), how="cross")
    folder = work.output / "replies" / f"{name}-budgets"
    report = work.report_after(done, total)
    sample_parts(engine, requests, folder, 0, sampling.part_size, report, work.keep)


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
        for _, method in list_curves([name])
    ]
    replies = pl.concat(tables)
    running = Settings.of(work.recipe.verify)
    verdicts = verify_frame(replies, problems, running=running).select("verdict", "reason")
    return replies.hstack(verdicts)
