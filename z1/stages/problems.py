"""Gather the problems, check their reference answers and divide them into four files.

What the evaluation asks too is kept out of the three splits for training.

The output holds ``evaluation.parquet``, ``seed.parquet``, ``train.parquet``, ``iteration.parquet``.
"""

import polars as pl

from z1.errors import InputError
from z1.problems import gather, read_sources
from z1.problems.check import check_problems, refuse_failing
from z1.problems.decontamination import find_contaminated
from z1.recipe import Problems
from z1.records import PROBLEM, SPLITS, write_part
from z1.stages import Metrics, Work

USES = ("method",)
_SPLITS = {"tops": SPLITS, "z1": ("evaluation", "train")}
"""The splits that each method cannot do without."""
_SHOWN = 5  # examples of what was left out


def run(work: Work) -> Metrics:
    """Write the four splits.

    Raises InputError where a source is wrong, a reference answer of a file's or generated
    problem fails its own verifier, or a split comes out empty. A dataset's problem whose answer
    fails is left out instead, for nobody here can mend it.
    """
    problems, dropped = gather(work.section)
    contaminated = _find_contaminated(work.section, problems)
    dropped["asks what an evaluation problem asks"] += len(contaminated)
    problems = problems.join(contaminated, on="id", how="anti", maintain_order="left")
    # Nobody here can mend a benchmark, and its figures are those of all of its problems.
    failing = check_problems(problems.filter(pl.col("kind") != "benchmark"), work.report)
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
            "refused": failing.select("where", "reason").head(_SHOWN).to_dicts(),
            "contaminated": contaminated.select("where", "against").head(_SHOWN).to_dicts(),
        },
        unit="problems",
    )


def _find_contaminated(section: Problems, problems: pl.DataFrame) -> pl.DataFrame:
    """Return the problems outside the evaluation split that are too much like one to be kept out.

    Raises InputError where a source to compare with is wrong.
    """
    evaluation = pl.col("split") == "evaluation"
    if section.decontaminate is None:
        return problems.clear().with_columns(against=pl.lit(None, pl.String))
    against = section.decontaminate.against
    others = read_sources(section, against, "problems.decontaminate.against")[0]
    tests = [table.select("question", "where") for table in (problems.filter(evaluation), others)]
    size = section.decontaminate.ngram
    return find_contaminated(problems.filter(~evaluation), pl.concat(tests), size)


def _count(problems: pl.DataFrame, column: str) -> dict[str, int]:
    counts = problems.group_by(column, maintain_order=True).len()
    return {str(label or "none"): count for label, count in counts.iter_rows()}
