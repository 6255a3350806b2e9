"""Published benchmarks as problems, from the Hugging Face hub or a local copy; a file for each.

A benchmark is a module with these names:

    ``TITLE``    what people call it
    ``DATASET``  its id on the hub
    ``FILES``    the files of that repository which hold it, all with the same columns
    ``PROMPT``   how a problem is put: text with ``{question}``
    ``read``     ``(row, seed) -> Question``: turns a row of the files into a question and its
                 answer; raises KeyError for a missing column, ValueError for a wrong value, and
                 LeftOutError for a row that is no part of the benchmark

To add one, write its module and name it below.
"""

import importlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import polars as pl

from z1.errors import InputError
from z1.jsonl import read_objects
from z1.problems.huggingface import LeftOutError
from z1.problems.rows import ROWS
from z1.recipe import BenchmarkSource

BENCHMARKS = {
    "gsm8k": "z1.problems.benchmarks.gsm8k",
    "math500": "z1.problems.benchmarks.math500",
    "aime2024": "z1.problems.benchmarks.aime2024",
    "gpqa-diamond": "z1.problems.benchmarks.gpqa_diamond",
    "livecodebench-v5": "z1.problems.benchmarks.livecodebench_v5",
    "bigcodebench-hard": "z1.problems.benchmarks.bigcodebench_hard",
}


class Question(NamedTuple):
    """One problem of a benchmark."""

    question: str
    answer: Any
    """What the verifier takes."""
    verifier: str
    id: str | None = None
    """Its name in the benchmark; rows without one are numbered from 0."""
    difficulty: str | None = None
    """A label that sorts from easy to hard."""


def read_benchmark(source: BenchmarkSource, key: str) -> tuple[pl.DataFrame, Counter[str]]:
    """Read a benchmark (``ROWS``); also return how many rows are no part of it, by reason.

    ``key`` stands before messages: the source's key in the recipe. Raises InputError where there is
    no such benchmark, its files cannot be had, or they are not in its form.
    """
    if source.name not in BENCHMARKS:
        raise InputError(
            f"{key}: there is no benchmark {source.name!r}; there are {', '.join(BENCHMARKS)}"
        )
    module = importlib.import_module(BENCHMARKS[source.name])
    prompt = source.prompt or module.PROMPT
    rows: list[dict[str, str | None]] = []
    dropped: Counter[str] = Counter()
    for number, (where, content) in enumerate(_objects(_find_files(module, source, key))):
        try:
            found = _read_row(module, content, source.seed)
        except LeftOutError as reason:
            dropped[str(reason)] += 1
            continue
        except KeyError as missing:
            raise InputError(
                f"{key}: {where} has no column {missing}, which {module.TITLE} has; there are "
                f"{', '.join(content if isinstance(content, dict) else ())}"
            ) from missing
        except (ValueError, TypeError) as error:
            raise InputError(f"{key}: {where}: {error}") from error
        rows.append(
            {
                "id": f"{source.name}/{number if found.id is None else found.id}",
                "prompt": prompt.replace("{question}", found.question),
                "question": found.question,
                "answer": json.dumps(found.answer, ensure_ascii=False),
                "verifier": found.verifier,
                "difficulty": found.difficulty,
                "source": module.DATASET,
                "where": where,
            }
        )
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise InputError(
            f"{key}: there is no problem of {module.TITLE} here ({reasons or 'empty'})"
        )
    return pl.DataFrame(rows, schema=ROWS), dropped


def _read_row(module: ModuleType, content: dict[str, Any] | ValueError, seed: int) -> Question:
    if isinstance(content, ValueError):
        raise content
    question: Question = module.read(content, seed)
    return question


def _objects(files: list[Path]) -> Iterator[tuple[str, dict[str, Any] | ValueError]]:
    """Yield every row of the files with its place."""
    for file in files:
        if file.suffix == ".csv":
            try:
                table = pl.read_csv(file, infer_schema=False)
            except (OSError, pl.exceptions.PolarsError) as error:
                raise InputError(f"{file}: cannot be read: {error}") from error
            for number, row in enumerate(table.iter_rows(named=True), start=1):
                yield f"{file}, row {number}", row
            continue
        for place, content in read_objects(file):
            yield f"{file}, {place}", content


def _find_files(module: ModuleType, source: BenchmarkSource, key: str) -> list[Path]:
    """Return the benchmark's files, of the local copy or from the hub."""
    if source.path is None:
        return _download(module, source, key)
    if source.path.is_file():
        return [source.path]
    found = [_in_folder(source.path, name) for name in module.FILES]
    missing = [name for name, path in zip(module.FILES, found, strict=True) if path is None]
    if missing:
        raise InputError(f"{key}: {source.path} has no {', '.join(missing)}\n  {_advice(module)}")
    return [path for path in found if path is not None]


def _in_folder(folder: Path, name: str) -> Path | None:
    """Return a file of the hub's repository in a copy of it, also of one without subfolders."""
    choices = (folder / name, folder / Path(name).name)
    return next((path for path in choices if path.is_file()), None)


def _download(module: ModuleType, source: BenchmarkSource, key: str) -> list[Path]:
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        raise InputError(
            f"{key}: downloads need huggingface_hub, which is not installed here: "
            "pip install 'z1[problems]'"
        ) from error
    try:
        folder = snapshot_download(
            module.DATASET,
            repo_type="dataset",
            revision=source.revision,
            allow_patterns=list(module.FILES),
        )
        files = [Path(folder) / name for name in module.FILES]
        if missing := [path.name for path in files if not path.is_file()]:
            raise FileNotFoundError(f"the hub's copy that is here has no {', '.join(missing)}")
    except Exception as error:  # its errors have no common ancestor
        cause = str(error).strip().splitlines()[0]
        raise InputError(
            f"{key}: {module.TITLE} cannot be had from the hub: {cause}\n  {_advice(module)}"
        ) from error
    return files


def _advice(module: ModuleType) -> str:
    several = len(module.FILES) > 1
    return (
        f"Without the hub: put {', '.join(module.FILES)} of "
        f"https://huggingface.co/datasets/{module.DATASET} into "
        f"{'one folder' if several else 'a folder'}, and name the folder"
        f"{'' if several else ' or the file'} as --benchmark-path (in a recipe: the source's path)"
    )
