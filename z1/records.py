"""The tables that stages pass to each other, as Parquet files with named columns.

Problem
    ``id``          text, unique in a run
    ``prompt``      text, what the model is asked
    ``answer``      the reference answer as JSON text (a JSON string for plain answers)
    ``verifier``    name of the verifier that checks replies to it; null, like ``answer``, for a
                    question without a reference, which is trained on unverified
    ``difficulty``  text or null
    ``source``      text, where the problem comes from

Trajectory: one reply to a problem; ``(problem_id, effort, sample)`` is unique in a table
    ``problem_id``       text
    ``effort``           ``low``, ``medium`` or ``high``; null where none was asked for
    ``sample``           number of the reply among those to the same problem and effort, from 0
    ``text``             text, without the end token
    ``thinking_tokens``  number of tokens of ``text``, the end token not counted
    ``hidden_tokens``    how many of ``thinking_tokens`` a server counts but does not show; 0 or
                         null for none
    ``finish_reason``    ``stop`` (ended by itself) or ``length`` (cut at the token limit)

Windowed: a Trajectory sampled with a thinking window, with four more columns. Where the window
closed, ``text`` is what follows the hint and ``thinking_tokens`` counts what comes before it.
    ``budget``         the thinking budget in tokens; null for none
    ``reasoning``      text before the hint; null where the window did not close
    ``hint_tokens``    number of tokens of the hint; 0 where the window did not close
    ``answer_tokens``  number of tokens after the hint; 0 where the window did not close

Verdict: a Trajectory with two more columns
    ``verdict``  ``right``, ``wrong`` or ``error`` (the verifier itself failed); null where nobody
                 checked, as in replies that are trained on unverified
    ``reason``   text; why, or null

Example: one row to fine-tune on
    ``problem_id``, ``prompt``, ``text``, ``thinking_tokens``
    ``effort``         the effort prompt to train under; null for none
    ``source_effort``  the effort the reply was sampled at

Pair: one row to train preferences on
    ``problem_id``, ``prompt``, ``chosen``, ``rejected``, ``chosen_tokens``, ``rejected_tokens``
    ``rule``  ``longest-wrong`` or ``shortest-wrong``, what the rejected reply is
"""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError

EFFORTS = ("low", "medium", "high")
SPLITS = ("evaluation", "seed", "train", "iteration")

EFFORT = pl.Enum(EFFORTS)
VERDICT = pl.Enum(["right", "wrong", "error"])


def _table(columns: dict[str, Any]) -> pl.Schema:
    return pl.Schema(columns)


PROBLEM = _table(
    {
        "id": pl.String,
        "prompt": pl.String,
        "answer": pl.String,
        "verifier": pl.String,
        "difficulty": pl.String,
        "source": pl.String,
    }
)
TRAJECTORY = _table(
    {
        "problem_id": pl.String,
        "effort": EFFORT,
        "sample": pl.Int32,
        "text": pl.String,
        "thinking_tokens": pl.Int32,
        "hidden_tokens": pl.Int32,
        "finish_reason": pl.Enum(["stop", "length"]),
    }
)
WINDOWED = _table(
    {
        **TRAJECTORY,
        "budget": pl.Int32,
        "reasoning": pl.String,
        "hint_tokens": pl.Int32,
        "answer_tokens": pl.Int32,
    }
)
VERIFIED = _table({**TRAJECTORY, "verdict": VERDICT, "reason": pl.String})
EXAMPLE = _table(
    {
        "problem_id": pl.String,
        "prompt": pl.String,
        "text": pl.String,
        "thinking_tokens": pl.Int32,
        "effort": EFFORT,
        "source_effort": EFFORT,
    }
)
PAIR = _table(
    {
        "problem_id": pl.String,
        "prompt": pl.String,
        "chosen": pl.String,
        "rejected": pl.String,
        "chosen_tokens": pl.Int32,
        "rejected_tokens": pl.Int32,
        "rule": pl.Enum(["longest-wrong", "shortest-wrong"]),
    }
)


def normalise_prompt(prompt: str) -> str:
    """Return the prompt in the form under which two problems count as the same one."""
    return " ".join(prompt.casefold().split())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that readers see either the old content or all of the new.

    A link stays one, and a device or pipe is written to.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_part(
    rows: pl.DataFrame | Iterable[Mapping[str, Any]], path: Path, schema: pl.Schema
) -> None:
    """Write rows as one Parquet part, under a temporary name first.

    Raises polars' own error where a row does not fit the schema.
    """
    # polars reads an unknown word into an Enum column as null, but refuses to cast one.
    loose = {
        name: pl.String if isinstance(kind, pl.Enum) else kind for name, kind in schema.items()
    }
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), schema=loose)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        frame.select(schema.names()).cast(schema).write_parquet(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the parts in a folder, and in those within, whose writing was ended half-way."""
    for path in folder.rglob(".*.parquet.*"):
        path.unlink()


def scan(folder: Path, schema: pl.Schema) -> pl.LazyFrame:
    """Scan every ``*.parquet`` part of a folder (or the one file given), in order of name.

    Raises InputError where there is none or a column is missing.
    """
    paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else [folder]
    if not paths or not paths[0].is_file():
        raise InputError(f"{folder}: no Parquet parts here; is this the output of a stage?")
    frame = pl.scan_parquet(paths)
    missing = [name for name in schema.names() if name not in frame.collect_schema()]
    if missing:
        raise InputError(f"{folder}: column {', '.join(missing)} is missing")
    return frame.select(schema.names())


def count_replies(replies: pl.LazyFrame) -> list[dict[str, Any]]:
    """Count trajectories, their mean tokens and how many were cut, by effort."""
    return (
        replies.group_by("effort")
        .agg(
            pl.len().alias("replies"),
            pl.col("thinking_tokens").mean().round(1),
            (pl.col("finish_reason") == "length").sum().alias("cut"),
        )
        .sort("effort")
        .collect()
        .to_dicts()
    )
