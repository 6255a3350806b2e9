"""Gather the problems, check their reference answers and divide them into four files.

The output holds ``evaluation.parquet``, ``seed.parquet``, ``train.parquet``, ``iteration.parquet``.
"""

import polars as pl

from z1.errors import InputError
from z1.problems import gather
from z1.problems.check import check_problems, refuse_failing
from z1.records import PROBLEM, SPLITS, write_part
from z1.stages import Metrics, Work

USES = ("method",)
_SPLITS = {"tops": SPLITS, "z1": ("evaluation", "train")}
"""The splits that each method cannot do without."""


def run(work: Work) -> Metrics:
    """Write the four splits.

    Raises InputError where a source is wrong, a reference answer of a file's or generated
    problem fails its own verifier, or a split comes out empty. A dataset's problem whose answer
    fails is left out instead, for nobody here can mend it.
    """
    problems, dropped = gather(work.section)
    failing = check_problems(problems, work.report)
    foreign = pl.col("kind") == "huggingface"
    refuse_failing(failing.filter(~foreign))
    dropped["reference answer refused by its own verifier"] += len(failing)
    problems = problems.join(failing, on="id", how="anti", maintain_order="left")
    for split in SPLITS:
        rows = problems.filter(pl.col("split") == split)
        if rows.is_empty() and split in _SPLITS[work.recipe.method]:
            share = getattr(work.section.splits, split)
            raise InputError(
                f"problems.splits.{split}: none of the {len(problems)} problems is in the {split} "
                f"split, whose share is {share:g}; raise the share, add problems, or give a source "
                f"'split: {split}'"
            )
        write_part(rows, work.output / f"{split}.parquet", PROBLEM)
    counts = _count(problems, "split")
    return Metrics(
        kept=len(problems),
        dropped=+dropped,
        details={
            "splits": {split: counts.get(split, 0) for split in SPLITS},
            "sources": _count(problems, "source"),
            "difficulty": {
                split: _count(problems.filter(pl.col("split") == split), "difficulty")
                for split in SPLITS
            },
            "refused": failing.select("where", "reason").head(5).to_dicts(),
        },
    )


def _count(problems: pl.DataFrame, column: str) -> dict[str, int]:
    counts = problems.group_by(column, maintain_order=True).len()
    return {str(label or "none"): count for label, count in counts.iter_rows()}
