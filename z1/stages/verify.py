"""Stage: check every reply against its problem's reference answer.

Inputs are ``replies`` (trajectory parts) and ``problems``; each part is written again under its
name with verdicts, so a stage that was cut off goes on with the parts that are missing.
"""

from typing import Any

import polars as pl

from z1.records import PROBLEM, TRAJECTORY, VERIFIED, scan, write_part
from z1.stages import Metrics, Work
from z1.verifiers import verify_frame
from z1.verifiers.sandbox import Settings
from z1.verifiers.sandbox.backends import choose

USES = ("verify",)
_REASONS_SHOWN = 5


def run(work: Work) -> Metrics:
    """Verify the replies.

    Raises InputError if a reply's problem is missing, or programs cannot be run here as the recipe
    demands.
    """
    problems = scan(work.inputs["problems"], PROBLEM).collect()
    folder = work.inputs["replies"]
    total = scan(folder, TRAJECTORY).select(pl.len()).collect().item()
    running = Settings.of(work.recipe.verify)
    sandbox = {}
    if "code" in problems["verifier"]:
        running = running._replace(isolation=choose(running.isolation))
        sandbox = {"sandbox": running.isolation}
    done = 0
    for part in sorted(folder.glob("*.parquet")):
        replies = scan(part, TRAJECTORY).collect()
        written = work.output / part.name
        if not written.is_file():
            report = work.report_after(done, total)
            verified = verify_frame(replies, problems, report, running)
            write_part(verified, written, VERIFIED)
        done += len(replies)
        work.report(done, total)
    details = {**_details(scan(work.output, VERIFIED)), **sandbox}
    return Metrics(kept=total, dropped={}, details=details, unit="replies")


def _details(verified: pl.LazyFrame) -> dict[str, Any]:
    """Return how many replies are right, wrong and in error, in all and by effort."""
    verdict = pl.col("verdict")
    counts = [(verdict == name).sum().alias(name) for name in ("right", "wrong", "error")]
    shares = (verdict == "right").mean().alias("share_right")
    by_effort = verified.group_by("effort").agg(*counts, shares).sort("effort").collect()
    errors = (
        verified.filter(verdict == "error")
        .select(pl.format("{}: {}", "problem_id", "reason"))
        .head(_REASONS_SHOWN)
        .collect()
        .to_series()
    )
    return {
        **verified.select(*counts, shares).collect().row(0, named=True),
        "by_effort": {row.pop("effort") or "none": row for row in by_effort.to_dicts()},
        "error_reasons": errors.to_list(),
    }
