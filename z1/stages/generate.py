"""Sample replies to the problems of a split.

Inputs: ``problems``; ``model``, unless the section is a teacher's. Options: ``split``; ``efforts``,
which is ``all`` (one request at each effort) or ``none`` (asked without an effort).
"""

import polars as pl

from z1.engines import Engine, build_requests, open_engine, sample_parts
from z1.engines.given import read_replies
from z1.engines.scripted import ScriptedTeacher
from z1.errors import InputError
from z1.recipe import Sampling, Teacher
from z1.records import EFFORTS, PROBLEM, TRAJECTORY, scan, write_part
from z1.stages import Metrics, Work

USES = ("seed", "efforts", "model")
_SCRIPTED_PART = 1024  # replies in a part of the scripted teacher's


def run(work: Work) -> Metrics:
    """Write the replies as parts. Raises InputError if the split holds no problems."""
    problems = scan(work.inputs["problems"] / f"{work.options['split']}.parquet", PROBLEM).collect()
    if problems.is_empty():
        raise InputError(f"the {work.options['split']} split holds no problems")
    section: Teacher | Sampling = work.section
    dropped: dict[str, int] = {}
    if isinstance(section, Teacher) and section.engine == "file":
        assert section.replies is not None
        efforts = work.options["efforts"] == "all"
        rows, dropped = read_replies(section.replies, problems, work.recipe.model, efforts)
        write_part(rows, work.output / "part-00000.parquet", TRAJECTORY)
    else:
        _sample(work, section, problems)
    replies = scan(work.output, TRAJECTORY)
    summary = (
        replies.group_by("effort")
        .agg(
            pl.len().alias("replies"),
            pl.col("thinking_tokens").mean().round(1),
            (pl.col("finish_reason") == "length").sum().alias("cut"),
        )
        .sort("effort")
        .collect()
    )
    return Metrics(
        kept=int(summary["replies"].sum()),
        dropped=dropped,
        details={"efforts": summary.to_dicts()},
        unit="replies",
    )


def _sample(work: Work, section: Teacher | Sampling, problems: pl.DataFrame) -> None:
    efforts = EFFORTS if work.options["efforts"] == "all" else [None]
    if isinstance(section, Teacher) and section.engine == "scripted":
        requests = build_requests(problems, efforts, samples=1)
        teacher = ScriptedTeacher(section.slip, work.recipe.model)
        _sample_parts(work, teacher, requests, _SCRIPTED_PART)
        return
    if isinstance(section, Teacher):
        assert section.sampling is not None
        assert section.model is not None
        sampling, model, prompts = section.sampling, section.model, work.recipe.efforts
    else:
        sampling, model, prompts = section, str(work.inputs["model"]), None
    requests = build_requests(problems, efforts, sampling.samples)
    engine = open_engine(sampling, model, prompts)
    _sample_parts(work, engine, requests, sampling.part_size)


def _sample_parts(work: Work, engine: Engine, requests: pl.DataFrame, part_size: int) -> None:
    seed = work.recipe.seed
    sample_parts(engine, requests, work.output, seed, part_size, work.report, work.keep)
