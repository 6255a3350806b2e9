"""Sample replies to the problems of a split.

Inputs: ``problems``; ``model``, unless the section is a teacher's. Options: ``split``; ``efforts``,
which is ``all`` (one request at each effort) or ``none`` (asked without an effort); and
``shard``, which is ``2/4`` for the second of four parts of the split, that merge puts together.
"""

import hashlib
import re

import polars as pl

from z1.engines import Engine, build_requests, derive_seed, open_engine, sample_parts
from z1.engines.given import read_replies
from z1.engines.scripted import ScriptedTeacher
from z1.errors import InputError
from z1.recipe import Sampling, Teacher
from z1.records import EFFORTS, PROBLEM, TRAJECTORY, count_replies, scan, write_part
from z1.stages import Metrics, Work

USES = ("seed", "efforts", "model")
_SCRIPTED_PART = 1024  # replies in a part of the scripted teacher's


def run(work: Work) -> Metrics:
    """Write the replies as parts. Raises InputError if the split holds no problems."""
    problems = scan(work.inputs["problems"] / f"{work.options['split']}.parquet", PROBLEM).collect()
    if problems.is_empty():
        raise InputError(f"the {work.options['split']} split holds no problems")
    section: Teacher | Sampling = work.section
    given = isinstance(section, Teacher) and section.engine == "file"
    number, count = read_shard(work.options.get("shard", "1/1"))
    dropped: dict[str, int] = {}
    if given:  # nothing to be sampled side by side: the first shard has it all
        problems = problems.head(problems.height if number == 1 else 0)
    else:
        problems = _take_shard(problems, number, count)
    if problems.is_empty():
        write_part([], work.output / "part-00000.parquet", TRAJECTORY)
    elif isinstance(section, Teacher) and section.engine == "file":
        assert section.replies is not None
        efforts = work.options["efforts"] == "all"
        rows, dropped = read_replies(section.replies, problems, work.recipe.model, efforts)
        write_part(rows, work.output / "part-00000.parquet", TRAJECTORY)
    else:
        _sample(work, section, problems)
    counts = count_replies(scan(work.output, TRAJECTORY))
    return Metrics(sum(row["replies"] for row in counts), dropped, {"efforts": counts}, "replies")


def read_shard(text: str) -> tuple[int, int]:
    """Return the number of a shard and of all shards. Raises InputError if there is no such one."""
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if found is None or int(found[1]) > int(found[2]):
        raise InputError(f"shard {text!r}: write 2/4 for the second of four")
    return int(found[1]), int(found[2])


def _take_shard(problems: pl.DataFrame, number: int, count: int) -> pl.DataFrame:
    """Return a shard's problems. A problem's shard depends on its id alone, not on the others."""
    digests = (hashlib.sha256(name.encode()).digest() for name in problems["id"])
    mine = [int.from_bytes(digest[:8], "big") % count == number - 1 for digest in digests]
    return problems.filter(pl.Series(mine, dtype=pl.Boolean))


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
    seed, shard = work.recipe.seed, read_shard(work.options.get("shard", "1/1"))
    if shard != (1, 1):  # or else the first parts of all shards would be sampled alike
        seed = derive_seed(seed, *shard)
    sample_parts(engine, requests, work.output, seed, part_size, work.report, work.keep)
