"""How long does selection take and how much memory, against each rule as one Polars query?

Verified replies are generated, and each rule of ``z1.selection`` chooses among them: once as the
stage does it, once as a query written by hand that joins the rows chosen back to their texts and
prompts and writes Parquet. Each measurement is a process of its own, for its peak of memory, and
the two are measured in turn, so that other load on the machine meets both:

    python benchmarks/selection.py --json selection.json

A ratio is the stage's over the query's, so less is better. The slope is that of the stage's seconds
over rows, both as logarithms, and one more ratio says how the stage's peak grows with the length of
replies. ``--full`` adds 10 million rows, which takes 15 GB of disk and a quiet machine.
"""

import argparse
import json
import math
import multiprocessing
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).parent.parent))

from z1.records import EFFORTS, PROBLEM, VERIFIED, write_part

ROOT = Path(__file__).parent.parent
SAMPLES = 4
PART = 1020  # rows, about what generate and verify write by default; all of each problem's
MEAN_TOKENS = {"low": 60, "medium": 120, "high": 240}
MIN_GAP = 20
BUDGET = 14  # tokens a row, a tenth of all
KEY = ["problem_id", "effort", "sample"]
DRAWN = ("random", "tokens")  # other rows than in the query, drawn by another generator


def generate(folder: Path, rows: int, length: int) -> None:
    """Write problems and verified replies to them, these ``length`` times as long."""
    rng = random.Random(0)
    words = " ".join(str(rng.randrange(10**6)) for _ in range(10**6))
    each = len(EFFORTS) * SAMPLES
    names = [f"problem-{number:08d}" for number in range(math.ceil(rows / each))]
    prompts = [words[rng.randrange(10**6) :][:200] for _ in range(1000)]
    plain = {"answer": '"1"', "verifier": "math", "source": "made"}
    problems = pl.DataFrame({"id": names}).with_row_index("n")
    write_part(
        problems.select(
            "id",
            prompt=pl.Series(prompts).gather(problems["n"] % len(prompts)),
            difficulty=(pl.col("n") % 5).cast(pl.String),
            **{name: pl.lit(value) for name, value in plain.items()},
        ),
        folder / "problems" / "part-00000.parquet",
        PROBLEM,
    )
    for start in range(0, rows, PART):
        made = []
        for row in range(start, min(start + PART, rows)):
            place = row % each
            effort = EFFORTS[place // SAMPLES]
            tokens = length * max(1, round(rng.lognormvariate(0, 0.6) * MEAN_TOKENS[effort]))
            at = rng.randrange(10**6)
            verdict = "right" if rng.random() < 0.7 else "wrong"
            text = words[at : at + 4 * tokens]
            made.append((names[row // each], effort, place % SAMPLES, text, tokens, verdict))
        rng.shuffle(made)
        columns = ["problem_id", "effort", "sample", "text", "thinking_tokens", "verdict"]
        rest = {"hidden_tokens": None, "finish_reason": "stop", "reason": None}
        frame = pl.DataFrame(made, schema=columns, orient="row").with_columns(
            pl.lit(value).alias(name) for name, value in rest.items()
        )
        write_part(frame, folder / "replies" / f"part-{start // PART:05d}.parquet", VERIFIED)


def measure(way: str, rule: str, rows: int, folder: Path) -> dict[str, float]:
    """Return the seconds a rule takes, of the clock and of processors, the process's peak in MiB,
    and the rows chosen."""
    output = folder / "chosen"
    shutil.rmtree(output, ignore_errors=True)
    act = {"stage": run_stage, "query": run_query}[way](rule, rows, folder, output)
    start, cpu = time.perf_counter(), time.process_time()
    act()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    written = pl.scan_parquet(output / "*.parquet").select(pl.len()).collect().item()
    shutil.rmtree(output)
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "rows": written}


def run_stage(rule: str, rows: int, folder: Path, output: Path) -> Callable[[], object]:
    """Return the stage, ready to run, without what the runner does around every stage."""
    from z1.recipe import Selection, load_recipe
    from z1.stages import Work, select

    section = Selection(min_gap=MIN_GAP, tokens=BUDGET * rows if rule == "tokens" else None)
    recipe = load_recipe(ROOT / "recipes" / "demo.yaml")
    inputs = {name: folder / name for name in ("replies", "problems")}
    output.mkdir()
    work = Work(recipe, section, inputs, {"rule": rule}, output, "select")
    return lambda: select.run(work)


def run_query(rule: str, rows: int, folder: Path, output: Path) -> Callable[[], object]:
    """Return the same rule as one query, ready to run."""
    output.mkdir()
    replies = pl.scan_parquet(folder / "replies" / "*.parquet")
    problems = pl.scan_parquet(folder / "problems" / "*.parquet").select("prompt", problem_id="id")
    query = QUERIES[rule](replies, rows).join(problems, on="problem_id", how="left")
    return lambda: query.sink_parquet(output / "part.parquet")


def _seed(replies: pl.LazyFrame, _: int) -> pl.LazyFrame:
    first = (
        replies.filter(pl.col("verdict") == "right")
        .group_by("problem_id", "effort")
        .agg(pl.col("sample", "thinking_tokens").sort_by("sample").first())
    )
    chosen = (
        first.group_by("problem_id")
        .agg(pl.all().sort_by("thinking_tokens", "effort"))
        .filter(
            pl.col("effort").list.len() == len(EFFORTS),
            pl.col("thinking_tokens").list.diff().list.min() > MIN_GAP,
        )
        .with_columns(asked=pl.lit(list(EFFORTS)))
        .explode(pl.exclude("problem_id"))
    )
    return replies.select(*KEY, "text").join(chosen, on=KEY)


def _one(replies: pl.LazyFrame, *order: pl.Expr) -> pl.LazyFrame:
    chosen = (
        replies.filter(pl.col("verdict") == "right")
        .group_by("problem_id")
        .agg(pl.col("effort", "sample", "thinking_tokens").sort_by(*order).first())
    )
    return replies.select(*KEY, "text").join(chosen, on=KEY)


def _shortest(replies: pl.LazyFrame, _: int) -> pl.LazyFrame:
    return _one(replies, *map(pl.col, ("thinking_tokens", "effort", "sample")))


def _random(replies: pl.LazyFrame, _: int) -> pl.LazyFrame:
    return _one(replies, pl.struct(KEY).hash(0))


def _pairs(replies: pl.LazyFrame, _: int) -> pl.LazyFrame:
    columns = ("thinking_tokens", "effort", "sample")
    tokens = pl.col("thinking_tokens")

    def first(verdict: str, length: pl.Expr) -> pl.Expr:
        these = pl.col("verdict") == verdict
        order = [each.filter(these) for each in (length, pl.col("effort"), pl.col("sample"))]
        return pl.struct(columns).filter(these).sort_by(order).first()

    best = replies.group_by("problem_id").agg(
        chosen=first("right", tokens), short=first("wrong", tokens), long=first("wrong", -tokens)
    )
    flat = best.drop_nulls().select(
        "problem_id",
        *(
            pl.col(side).struct.field(name).alias(f"{name}_{side}")
            for side in ("chosen", "short", "long")
            for name in columns
        ),
    )

    def pairs(side: str, among: pl.LazyFrame) -> pl.LazyFrame:
        renamed = {f"{name}_{side}": f"{name}_rejected" for name in columns}
        kept = ["problem_id", *(f"{name}_chosen" for name in columns), *renamed]
        return among.select(kept).rename(renamed).with_columns(rule=pl.lit(side))

    differ = pl.struct("effort_short", "sample_short") != pl.struct(
        effort_short="effort_long", sample_short="sample_long"
    )
    shorter = flat.filter(
        pl.col("thinking_tokens_short") < pl.col("thinking_tokens_chosen"), differ
    )
    both = pl.concat([pairs("long", flat), pairs("short", shorter)])
    for side in ("chosen", "rejected"):
        texts = replies.select(
            "problem_id",
            pl.col("text").alias(side),
            *(pl.col(name).alias(f"{name}_{side}") for name in KEY[1:]),
        )
        both = texts.join(both, on=["problem_id", f"effort_{side}", f"sample_{side}"])
    return both


def _tokens(replies: pl.LazyFrame, rows: int) -> pl.LazyFrame:
    chosen = (
        replies.select(*KEY, "thinking_tokens")
        .sort(pl.struct(KEY).hash(0))
        .filter(pl.col("thinking_tokens").cast(pl.Int64).cum_sum() <= BUDGET * rows)
    )
    return replies.select(*KEY, "text").join(chosen, on=KEY)


Round = dict[str, dict[str, float]]
"""What was measured of the ``stage`` and of the ``query``."""
HEAD = (
    "| rule | rows | chosen | stage s | query s | ratio | spread | of CPU | stage MiB | query MiB |"
)
LONGER = 8
QUERIES: dict[str, Callable[[pl.LazyFrame, int], pl.LazyFrame]] = {
    "seed": _seed,
    "shortest": _shortest,
    "random": _random,
    "pairs": _pairs,
    "tokens": _tokens,
}


def alone(act: Callable[..., Any], *given: Any) -> Any:
    """Call a function in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(act, *given).result()


def measure_rounds(rule: str, rows: int, folder: Path, rounds: int) -> list[Round]:
    """Measure both ways in turn, each in a process of its own."""
    taken = []
    for number in range(rounds):
        order = ["stage", "query"] if number % 2 else ["query", "stage"]
        both = {way: alone(measure, way, rule, rows, folder) for way in order}
        assert rule in DRAWN or both["stage"]["rows"] == both["query"]["rows"], (rule, both)
        taken.append(both)
    return taken


def show(rule: str, rows: int, length: int, rounds: list[Round]) -> dict[str, float]:
    """Print a line of the table, and return its figures."""

    def median(way: str, what: str) -> float:
        return statistics.median(each[way][what] for each in rounds)

    def over(what: str) -> list[float]:
        return [each["stage"][what] / each["query"][what] for each in rounds]

    here = {
        "seconds": median("stage", "seconds"),
        "ratio": statistics.median(over("seconds")),
        "cpu ratio": statistics.median(over("cpu")),
        "peak": median("stage", "peak"),
        "query peak": median("query", "peak"),
    }
    label = f"{rows:,}" + (f", {length} times as long" if length > 1 else "")
    print(
        f"| {rule} | {label} | {median('stage', 'rows'):,.0f} | {here['seconds']:.2f} | "
        f"{median('query', 'seconds'):.2f} | {here['ratio']:.2f} | "
        f"{min(over('seconds')):.2f}-{max(over('seconds')):.2f} | {here['cpu ratio']:.2f} | "
        f"{here['peak']:.0f} | {here['query peak']:.0f} |",
        flush=True,
    )
    return here


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--full", action="store_true", help="10 million rows as well")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rules", nargs="+", choices=list(QUERIES), default=list(QUERIES))
    parser.add_argument("--folder", type=Path, help="for the replies, which are gigabytes")
    parser.add_argument("--json", type=Path, help="write the ratios here")
    args = parser.parse_args()
    sizes = sorted({*args.rows, *([10**7] if args.full else [])})
    ratios: dict[str, float] = {}
    found: dict[tuple[str, int, int], dict[str, float]] = {}
    print(f"polars {pl.__version__}\n\n{HEAD}\n|---{'|--:' * 9}|")
    for rows, length in [*((rows, 1) for rows in sizes), (sizes[0], LONGER)]:
        with tempfile.TemporaryDirectory(dir=args.folder) as name:
            alone(generate, Path(name), rows, length)
            for rule in args.rules:
                rounds = measure_rounds(rule, rows, Path(name), args.rounds)
                found[rule, rows, length] = show(rule, rows, length, rounds)
    for (rule, rows, length), here in found.items():
        if length > 1:
            growth = here["peak"] / found[rule, rows, 1]["peak"]
            ratios[f"{rule}-peak-at-{length}-times-the-length"] = growth
        else:
            ratios[f"{rule}-{rows}-seconds"] = here["ratio"]
            ratios[f"{rule}-{rows}-cpu"] = here["cpu ratio"]
            ratios[f"{rule}-{rows}-peak"] = here["peak"] / here["query peak"]
    for rule in args.rules if len(sizes) > 1 else []:
        least, most = sizes[-2:]
        growth = found[rule, most, 1]["seconds"] / found[rule, least, 1]["seconds"]
        ratios[f"{rule}-slope"] = math.log(growth) / math.log(most / least)
    print()
    for name, ratio in ratios.items():
        if not name.endswith(("-seconds", "-cpu")):
            print(f"{name}: {ratio:.2f}")
    if args.json:
        args.json.write_text(json.dumps({"ratios": ratios}, indent=1) + "\n")


if __name__ == "__main__":
    main()
