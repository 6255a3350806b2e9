"""Drop the teacher's replies that Z1 does not train on. Inputs: ``replies`` and ``problems``.

Left out are replies cut at the token limit, empty ones, those that go round in a loop, and, with
``filter.verify``, those that their problem's verifier does not find right. Each part is written
again under its name, with verdicts where they were asked for and null verdicts otherwise, so a
stage that was cut off goes on with the parts that are missing. Tags around the thinking are taken
off: Z1 thinks and answers in one stretch.
"""

import re
from collections import Counter
from collections.abc import Callable

import polars as pl

from z1.errors import InputError
from z1.records import PROBLEM, TRAJECTORY, VERDICT, VERIFIED, scan, write_part
from z1.selection.loops import loops
from z1.stages import Metrics, Work
from z1.verifiers import verify_frame
from z1.verifiers.sandbox import Settings

USES = ("verify",)
CUT, EMPTY, LOOPS = "cut at the token limit", "empty", "repeats itself"
WRONG, FAILED = "not right", "could not be verified"
_TAGS = re.compile(r"</?think(?:ing)?>[ \t]*\n?")


def run(work: Work) -> Metrics:
    """Write the replies that are left. Raises InputError if a reply's problem is missing."""
    problems = scan(work.inputs["problems"], PROBLEM).collect()
    folder = work.inputs["replies"]
    total = scan(folder, TRAJECTORY).select(pl.len()).collect().item()
    done = 0
    dropped: Counter[str] = Counter()
    for part in sorted(folder.glob("*.parquet")):
        replies = scan(part, TRAJECTORY).collect()
        written = work.output / part.name
        reasons = work.output / "reasons" / part.name
        if not (written.is_file() and reasons.is_file()):
            kept, left_out = _filter(work, replies, problems, done, total)
            write_part(left_out, reasons, _REASONS)
            write_part(kept, written, VERIFIED)
        dropped.update(dict(scan(reasons, _REASONS).collect().iter_rows()))
        done += len(replies)
        work.report(done, total)
    if dropped.total() == total:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
        raise InputError(f"{work.step}: none of {total} replies is left to train on ({why})")
    tokens = pl.col("thinking_tokens")
    figures = [
        tokens.cast(pl.Int64).sum().alias("tokens"),
        tokens.mean().alias("mean_tokens"),
        tokens.min().alias("least_tokens"),
        tokens.max().alias("most_tokens"),
    ]
    details = scan(work.output, VERIFIED).select(*figures).collect().row(0, named=True)
    return Metrics(total - dropped.total(), dict(sorted(dropped.items())), details, "replies")


_REASONS = pl.Schema({"reason": pl.String, "replies": pl.Int64})


def _filter(
    work: Work, replies: pl.DataFrame, problems: pl.DataFrame, done: int, total: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the replies that are left, and how many were dropped by reason."""
    texts = [_TAGS.sub("", text).strip() for text in replies["text"]]
    cut = replies["finish_reason"] == "length"
    reasons = [
        CUT if ended_early else EMPTY if not text else LOOPS if loops(text) else None
        for text, ended_early in zip(texts, cut, strict=True)
    ]
    marked = replies.with_columns(
        pl.Series("text", texts, pl.String), pl.Series("reason", reasons, pl.String)
    )
    if work.section.verify:
        marked = _verify(work, marked, problems, work.report_after(done, total))
    else:
        marked = marked.with_columns(verdict=pl.lit(None, VERDICT))
    left = marked.filter(pl.col("reason").is_null()).select(VERIFIED.names())
    return left, marked.drop_nulls("reason").group_by("reason").agg(replies=pl.len())


def _verify(
    work: Work, marked: pl.DataFrame, problems: pl.DataFrame, report: Callable[[int], None]
) -> pl.DataFrame:
    """Verify the replies without a ``reason`` to be dropped; give one to those not right."""
    checkable = problems.filter(pl.col("verifier").is_not_null())["id"].implode()
    known = pl.col("problem_id").is_in(checkable)
    asked = pl.col("reason").is_null() & known
    reason = pl.when(known).then("reason").otherwise(pl.coalesce("reason", pl.lit(FAILED)))
    others = marked.filter(~asked).with_columns(reason=reason, verdict=pl.lit(None, VERDICT))
    why = (
        pl.when(pl.col("verdict") == "error")
        .then(pl.lit(FAILED))
        .when(pl.col("verdict") == "wrong")
        .then(pl.lit(WRONG))
    )
    running = Settings.of(work.recipe.verify)
    verified = verify_frame(marked.filter(asked), problems, report, running)
    verified = verified.with_columns(reason=why)
    return pl.concat([verified, others.select(VERIFIED.names())])
