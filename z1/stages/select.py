"""Choose what to train on among verified replies.

Inputs: ``replies`` (verified), ``problems``, and optionally ``seed``, a seed set whose replies
join those chosen from, unless ``select.with_seed`` is off: its three replies to a problem are
right, so ``shortest`` takes the low one and ``random`` any. Options: ``rule``, a name in
``z1.selection.RULES``. The output is Example parts, or Pair parts for a rule that makes pairs.
"""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.recipe import Selection
from z1.records import EFFORTS, EXAMPLE, PAIR, PROBLEM, VERDICT, VERIFIED, scan, write_part
from z1.rounds import count_rounds
from z1.selection import RULES
from z1.selection.rule import Rule
from z1.selection.seed_set import rank_efforts
from z1.selection.texts import bucket, put_back, sort_out
from z1.stages import Metrics, Work

USES = ("seed",)
_PLACES = ("shortest", "middle", "longest")


@dataclass(frozen=True)
class _Table:
    """What there is to choose from: narrow columns, and where the texts are."""

    pool: pl.DataFrame
    replies: int
    """Rows of the pool that are replies; those of a seed set come after them."""
    problems: pl.DataFrame
    reply_parts: list[Path]
    problem_parts: list[Path]


def run(work: Work) -> Metrics:
    """Write the rows that the rule chooses. Raises InputError if it chooses none."""
    options: Selection = work.section
    name = work.options["rule"]
    if name not in RULES:
        raise InputError(f"rule={name}: no such selection rule; there are {', '.join(RULES)}")
    rule = RULES[name]
    seed_set = work.inputs.get("seed") if options.with_seed else None
    table = _read(work.inputs["replies"], work.inputs["problems"], seed_set)
    choice = rule.choose(table.pool.lazy(), options, work.recipe.seed).collect()
    left_out = choice.filter(pl.col("reason").is_not_null())
    reasons = left_out.group_by("reason").len().sort("reason")
    dropped = {reason: int(count) for reason, count in reasons.iter_rows()}
    seen = table.pool["problem"].n_unique()
    if len(left_out) == len(choice):
        why = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "no replies"
        advice = rule.advice.format(min_gap=options.min_gap)
        raise InputError(f"rule {name!r} kept none of {seen} problems ({why}); {advice}")
    rows = _describe(choice.filter(pl.col("reason").is_null()), table, rule)
    _write(work, rows, table, rule)
    details = {"rule": name, **_details(rows, table, seen)}
    if options.rounds:
        right = scan(work.inputs["replies"], VERIFIED).filter(pl.col("verdict") == "right")
        problems = scan(work.inputs["problems"], PROBLEM).collect()
        details["rounds"] = count_rounds(right.collect(), problems)
    kept = details["problems_kept"] if rule.unit == "problems" else len(rows)
    return Metrics(kept, dropped, details, rule.unit)


def _read(replies: Path, problems: Path, seed_set: Path | None) -> _Table:
    known = (
        scan(problems, PROBLEM)
        .select("id", "difficulty")
        .with_row_index("problem_row")
        .collect()
        .sort("id")
        .with_row_index("problem")
    )
    narrow = ["problem_id", "effort", "sample", "thinking_tokens", "verdict"]
    pool = scan(replies, VERIFIED).select(narrow).collect(engine="streaming")
    own = pool.height
    parts = _parts(replies)
    if seed_set is not None:
        examples = scan(seed_set, EXAMPLE).select(
            "problem_id",
            "thinking_tokens",
            effort="source_effort",
            sample=pl.lit(0, pl.Int32),
            verdict=pl.lit("right", VERDICT),
        )
        pool = pl.concat([pool, examples.select(narrow).collect()])
        parts += _parts(seed_set)
    pool = pool.with_row_index("row").join(
        known.select("problem", problem_id="id"),
        on="problem_id",
        how="left",
        maintain_order="left",
    )
    strange = pool.filter(pl.col("problem").is_null())
    if len(strange):
        raise InputError(
            f"{replies}: {len(strange)} replies are to problems that {problems} does not hold, "
            f"such as {strange['problem_id'][0]!r}"
        )
    return _Table(pool.drop("problem_id"), own, known, parts, _parts(problems))


def _parts(folder: Path) -> list[Path]:
    """Return the files that ``records.scan`` reads, in its order."""
    return sorted(folder.glob("*.parquet")) if folder.is_dir() else [folder]


def _describe(chosen: pl.DataFrame, table: _Table, rule: Rule) -> pl.DataFrame:
    """Add to the rows chosen what is known of their replies and problems, texts apart."""
    replies = table.pool.select("row", "thinking_tokens", source_effort="effort")
    rows = chosen.join(replies, on="row", how="left").join(table.problems, on="problem", how="left")
    if not rule.pairs:
        return rows.sort("problem", "effort")
    rejected = table.pool.select(rejected="row", rejected_tokens="thinking_tokens")
    return rows.join(rejected, on="rejected", how="left").sort("problem", "rule")


def _write(work: Work, rows: pl.DataFrame, table: _Table, rule: Rule) -> None:
    """Write the rows with their prompts and texts, a part for each bucket."""
    tokens = pl.col("thinking_tokens")
    if rule.pairs:
        tokens += pl.col("rejected_tokens")
    rows = rows.with_columns(bucket=bucket(tokens))
    spool = work.output / "texts"
    shutil.rmtree(spool, ignore_errors=True)  # of an attempt that was cut off
    replies = {"row": "chosen", "rejected_row": "rejected"} if rule.pairs else {"row": "text"}
    names = {"id": "problem_id"}
    if rule.pairs:
        rows = rows.rename({"rejected": "rejected_row"})
        names["thinking_tokens"] = "chosen_tokens"
    # Both texts of a pair in one reading of the replies, which is what takes the time.
    wanted = pl.concat(rows.select("bucket", row=key) for key in replies)
    sort_out(table.reply_parts, "text", wanted, spool / "text")
    wanted = rows.select("bucket", row="problem_row")
    sort_out(table.problem_parts, "prompt", wanted, spool / "prompt")
    folders = {"prompt": (spool / "prompt", "problem_row")}
    folders |= {name: (spool / "text", key) for key, name in replies.items()}
    buckets = rows.partition_by("bucket", maintain_order=True)

    def write(number: int) -> None:
        part = buckets[number]
        complete = put_back(part, part["bucket"][0], folders).rename(names)
        path = work.output / f"part-{number:05d}.parquet"
        write_part(complete, path, PAIR if rule.pairs else EXAMPLE)

    # Writing compresses on one core; each bucket more at a time is as much more memory.
    with ThreadPoolExecutor(2) as writers:
        for number, _ in enumerate(writers.map(write, range(len(buckets)))):
            work.report(number + 1, len(buckets))
    shutil.rmtree(spool)


def _details(rows: pl.DataFrame, table: _Table, seen: int) -> Mapping[str, Any]:
    difficulties = (
        rows.group_by("difficulty").agg(pl.col("thinking_tokens").mean()).sort("difficulty")
    )
    # The seed set's replies were put in order; how efforts are obeyed shows in the others.
    ranks = (
        rank_efforts(table.pool.lazy().filter(pl.col("row") < table.replies))
        .group_by("effort", "rank")
        .len()
        .collect()
    )
    counted = {(effort, rank): count for effort, rank, count in ranks.iter_rows()}
    efforts = rows.group_by("source_effort").len().sort("source_effort")
    details = {
        "problems_seen": seen,
        "problems_kept": rows["problem"].n_unique(),
        "rows": len(rows),
        "mean_tokens": rows["thinking_tokens"].mean(),
        "mean_tokens_by_difficulty": {
            str(label or "none"): mean for label, mean in difficulties.iter_rows()
        },
        "effort_ranks": {
            effort: {
                place: counted.get((effort, rank), 0)
                for rank, place in zip(EFFORTS, _PLACES, strict=True)
            }
            for effort in EFFORTS
        },
        "selected_efforts": {str(effort or "none"): n for effort, n in efforts.iter_rows()},
    }
    if "rejected_tokens" in rows.columns:
        details["mean_rejected_tokens"] = rows["rejected_tokens"].mean()
        details["pair_rules"] = dict(rows.group_by("rule").len().sort("rule").iter_rows())
    return details
