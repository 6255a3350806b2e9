"""``z1 evaluate``: a model on a benchmark, with no training and no run around it.

The evaluate stage does the work. It is given the benchmark as the evaluation split, and a recipe of
just what it reads, in which the model stands as the only baseline.
"""

import re
from pathlib import Path
from typing import cast

import polars as pl

from z1.errors import InputError
from z1.evaluation.report import copy_reports
from z1.problems.benchmarks import read_benchmark
from z1.recipe import (
    OWN_MODELS,
    Baseline,
    BenchmarkSource,
    Evaluation,
    Publish,
    Recipe,
    Sampling,
    Section,
    ThinkingWindow,
    Verify,
)
from z1.records import PROBLEM, write_part
from z1.stages import run_stage

_TOKENS, _ANSWER_TOKENS = 4096, 1024  # of a reply, and beyond its largest budget, if none are given


class Trial(Section):
    """As much of a recipe as the evaluate stage reads."""

    name: str
    method: None = None
    checkpoints: None = None
    seed: int = 0
    model: None = None
    train: None = None
    publish: Publish = Publish()
    window: ThinkingWindow
    verify: Verify = Verify()
    evaluate: Evaluation


def make_trial(
    benchmark: str,
    model: str,
    sampling: Sampling,
    seeds: list[int],
    budgets: list[int],
    window: ThinkingWindow,
) -> Trial:
    """Return the trial of a model, a folder or hub id."""
    if Path(model).is_dir():
        model = str(Path(model).resolve())
    baseline = Baseline(name=_name(model), model=model)
    section = Evaluation(
        sampling=sampling,
        seeds=seeds,
        greedy=sampling.temperature == 0,
        budgets=budgets,
        baselines=[baseline],
    )
    return Trial(name=f"{benchmark}-{baseline.name}", window=window, evaluate=section)


def default_limit(budgets: list[int]) -> int:
    """Return the most tokens of a reply where none are given: enough for the largest budget."""
    return max(_TOKENS, max(budgets, default=0) + _ANSWER_TOKENS)


def run_trial(trial: Trial, source: BenchmarkSource, output: Path) -> list[str]:
    """Evaluate, write the reports into the folder ``output``, and return remarks for the user.

    A budget for which the model's context has no room beside the longest prompt is lowered to what
    it has room for. Raises InputError if the benchmark or the model cannot be had, or a prompt does
    not fit.
    """
    rows = read_benchmark(source, "--benchmark")[0].unique("prompt", maintain_order=True)
    problems = output / "problems"
    write_part(rows, problems / "evaluation.parquet", PROBLEM)
    trial, remarks = fit_budgets(trial, rows)
    # The stage reads no more of a recipe than a trial has.
    recipe = cast(Recipe, trial)
    run_stage("evaluate", recipe, "evaluate", {"problems": problems}, output / "evaluate")
    copy_reports(output / "evaluate", output)
    return remarks


def fit_budgets(trial: Trial, problems: pl.DataFrame) -> tuple[Trial, list[str]]:
    """Return the trial with budgets that fit into the model's context, and what was lowered.

    Raises InputError if a prompt leaves no room for an answer.
    """
    # Here, so that a benchmark that cannot be had is an error at once.
    from z1.engines.windows import encode
    from z1.models import context_size, encode_prompt, load_tokenizer

    [baseline] = trial.evaluate.baselines
    assert baseline.model is not None  # a trial always has one
    context = context_size(baseline.model)
    if context is None:
        return trial, []
    tokenizer = load_tokenizer(baseline.model)
    lengths = [len(encode_prompt(tokenizer, prompt, None)) for prompt in problems["prompt"]]
    longest = max(lengths)
    budgets = trial.evaluate.budgets
    hint, reserve = len(encode(tokenizer, trial.window.hint)), trial.window.reserve
    room = context - longest - (hint + reserve if budgets else 1)
    if room < 0:
        answer = f", the hint ({hint}) and the answer ({reserve})" if budgets else ""
        raise InputError(
            f"{problems['where'][lengths.index(longest)]}: its prompt has {longest} tokens, which "
            f"do not fit into the model's context of {context}{answer and ' together with'}"
            f"{answer.removeprefix(',')}; take a model with a longer context, or a local copy of "
            "the benchmark without problems as long as that"
        )
    fitting = sorted({min(budget, room) for budget in budgets})
    lowered = [f"{budget:,}" for budget in budgets if budget > room]
    if not lowered:
        return trial, []
    section = trial.evaluate.model_copy(update={"budgets": fitting})
    remark = (
        f"budget {', '.join(lowered)}: lowered to {room:,}; the model's context of {context:,} "
        f"tokens holds no more beside a prompt of {longest:,}, the hint ({hint}) and the answer "
        f"({reserve})"
    )
    return trial.model_copy(update={"evaluate": section}), [remark]


def _name(model: str) -> str:
    """Return a short name for a model: the last part of its folder or hub id, and one more where a
    run calls its own models so."""
    parts = [re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-._") for part in Path(model).parts]
    named = [part for part in parts if part] or ["model"]
    short = named[-1]
    if short in OWN_MODELS:
        short = "-".join([*named[-2:-1], short]) if len(named) > 1 else f"my-{short}"
    return short[:80]
