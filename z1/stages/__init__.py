"""Running a stage: a function from files to files, made resumable and skippable.

A stage module ``z1.stages.NAME`` has a function ``run(work) -> Metrics`` and a tuple ``USES`` with
the recipe's top-level keys that it reads besides its own section and what that one ``uses()``. The
command line, the KFP components and ``dvc.yaml`` all call ``run_stage`` and nothing else.

An output folder is written as ``OUTPUT.partial`` and renamed when it is whole, so an earlier
output stays as it was until the new one is there. Its ``stage.json`` holds a key made of all that
the output depends on: the recipe's section, the inputs' keys, the options, the source of the code
and, of a stage that asks elsewhere, what its ``look(recipe, section)`` finds there now. A whole
output with the same key is not made again, unless one of its files is gone or of another size, or
the stage changes what is outside of it, as publish, gate and deploy do. A partial one is gone on
with, and where the recipe says so its finished pieces are in S3 too, for the case that it gets lost
with its disk. Wherever a process is ended, the next one goes on or begins anew.
"""

import fcntl
import importlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from z1 import progress
from z1.errors import InputError
from z1.recipe import Recipe, Section
from z1.records import remove_unfinished, write_bytes
from z1.stages.given import STAGES, check_given, check_output
from z1.stages.keeping import open_keeper
from z1.stages.keys import code_digest, find_uses, fingerprint, make_key
from z1.stages.outside import find_models
from z1.stages.spreading import OnNodes, find_nodes, nowhere
from z1.versioning.content import digest_content

# Stages take from here what makes digests, so that its source is no part of what they depend on.
__all__ = [
    "RECORD",
    "WAITING",
    "Metrics",
    "Work",
    "code_digest",
    "find_section",
    "fingerprint",
    "make_key",
    "read_record",
    "run_stage",
]

RECORD = "stage.json"
WAITING = "waiting: "
"""How the line begins that a stage prints while another process has its output."""
_MARKER = ".key"  # file in an unfinished output, with the key it will have


@dataclass(frozen=True)
class Metrics:
    """What a stage says of its work."""

    kept: int
    """How many of what ``unit`` says the output holds."""
    dropped: Mapping[str, int]
    """How many of the same are left out, by reason."""
    details: Mapping[str, Any]
    """Whatever else the report shows of this stage; JSON."""
    unit: str = "rows"
    """What is counted: ``problems``, ``replies``, ``examples`` or ``pairs``. A stage that takes or
    leaves whole problems counts problems, however many rows it writes of each."""
    taken_over: bool = False
    """Whether some of it is the work of an earlier run."""


@dataclass(frozen=True)
class Work:
    """All that a stage is given."""

    recipe: Recipe
    section: Any
    """The recipe's section for this step."""
    inputs: Mapping[str, Path]
    """Folders that earlier stages wrote, by the name this stage knows them under."""
    options: Mapping[str, str]
    """The step's place in the pipeline, such as ``{"split": "seed"}``."""
    output: Path
    """Where to write; holds an earlier attempt's files if that one was cut off."""
    step: str
    """Name of the step, for progress."""
    earlier: Path | None = None
    """The step's whole output of an earlier run, which this one will replace."""
    outside: Any = None
    """What the stage's ``look`` found, if it has one."""
    keep: Callable[[Path], None] = lambda path: None
    """Told of each part file and checkpoint folder in the output that is finished and will not
    change, and is of use without the others. Where the recipe has ``checkpoints`` it then goes to
    S3, while the work goes on."""
    on_nodes: OnNodes = nowhere
    """Runs a training's job on several nodes of a cluster, and brings the model to the output."""

    def report(self, done: int, total: int) -> None:
        """Say how far the work is."""
        progress.report(self.step, done, total)

    def report_after(self, before: int, total: int) -> Callable[..., None]:
        """Return what to tell how far a part of the work is, after ``before`` of ``total``."""
        return lambda done, *_: self.report(before + done, total)


def run_stage(
    stage: str,
    recipe: Recipe,
    section: str,
    inputs: Mapping[str, Path],
    output: Path,
    options: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run one stage unless its output is there already, and return the output's record.

    ``section`` is the dotted key of the recipe's section, such as ``train.tag``. The record is
    the content of ``stage.json``: ``stage``, ``step``, ``key``, ``seconds`` (of the attempt that
    finished), ``resumed`` (whether others had done some of the work before it), ``kept``,
    ``dropped``, ``unit``, ``reasons``, ``details``, ``models`` (what those from outside were),
    ``digest`` (of the content, as it is published), ``files`` (the bytes of each) and ``parents``,
    the inputs' records without their files, each ancestor's whole once.

    Raises InputError if the section, an input or what is in it is wrong.
    """
    options = dict(options or {})
    chosen = find_section(recipe, section, stage in STAGES and STAGES[stage].absent)
    check_given(stage, section, chosen, inputs, options)
    partial = output.with_name(f"{output.name}.partial")
    old = output.with_name(f".{output.name}.z1-old")  # put aside, so that no half of it is left
    check_output(output, partial, (RECORD, _MARKER), inputs)
    parents = {
        name: {field: value for field, value in read_record(path).items() if field != "files"}
        for name, path in inputs.items()
    }
    names = (*find_uses(stage), *(chosen.uses() if chosen else ()))
    uses = {name: getattr(recipe, name) for name in names}
    module = f"z1.stages.{stage}"
    dependencies = {
        "stage": stage,
        "section": chosen,
        "uses": uses,
        "inputs": {name: record["key"] for name, record in parents.items()},
        "options": options,
        "code": code_digest(module),
    }
    outside = importlib.import_module(module).look(recipe, chosen) if STAGES[stage].looks else None
    if STAGES[stage].looks:
        dependencies["outside"] = outside
    key = make_key(dependencies)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output {output}: {error}") from error
    with _locked(output.with_name(f".{output.name}.lock")):
        found = read_record(output) if (output / RECORD).is_file() else None
        whole = found is not None and _has_all(output, found)
        done = whole and not STAGES[stage].changes(recipe)
        shutil.rmtree(old, ignore_errors=True)
        if found is not None and done and found["key"] == key:
            (output / _MARKER).unlink(missing_ok=True)
            progress.report(output.name, 1, 1)
            return found
        marker = partial / _MARKER
        earlier = output if whole else None
        address = recipe.checkpoints if STAGES[stage].keeps else None
        with open_keeper(address, key, output.name, partial) as keeper:
            if marker.is_file() and marker.read_text() == key:
                remove_unfinished(partial)
                (partial / RECORD).unlink(missing_ok=True)
            else:
                if partial.exists():
                    partial.rename(old)
                shutil.rmtree(old, ignore_errors=True)
                partial.mkdir()
                write_bytes(marker, b"")  # no key yet: what comes now may come in part
                keeper.restore()
                write_bytes(marker, key.encode())
            work = Work(
                recipe=recipe,
                section=chosen,
                inputs=dict(inputs),
                options=options,
                output=partial,
                step=output.name,
                earlier=earlier,
                outside=outside,
                keep=keeper.keep,
                on_nodes=find_nodes(recipe, key, output.name, partial),
            )
            resumed = any(path.name != _MARKER for path in partial.iterdir())
            started = time.monotonic()
            metrics: Metrics = importlib.import_module(module).run(work)
        record = {
            "stage": stage,
            "step": output.name,
            "key": key,
            "seconds": round(time.monotonic() - started, 2),
            "resumed": resumed or metrics.taken_over,
            "kept": int(metrics.kept),
            "dropped": int(sum(metrics.dropped.values())),
            "unit": metrics.unit,
            "reasons": dict(metrics.dropped),
            "details": dict(metrics.details),
            "models": find_models([chosen, *uses.values()], fingerprint),
            # Read through once, here: a time of change does not outlive a copy or another pod, and
            # against the making even of large weights this is short. Runs that find the output
            # there look at sizes only.
            "digest": digest_content(partial),
            "files": _sizes(partial),
            "parents": _shorten(parents.values()),
        }
        write_bytes(partial / RECORD, json.dumps(record, indent=1).encode())
        if output.exists():
            output.rename(old)
        partial.rename(output)
        (output / _MARKER).unlink()
        shutil.rmtree(old, ignore_errors=True)
        keeper.remove()
    return record


def _shorten(parents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return inputs' records in which each ancestor is told of once.

    Where one comes again, deeper than as an input, only its step, key and digest stand. With each
    of its ancestors spread out again the records of a pipeline's last steps would be mostly copies.
    """
    told: set[tuple[str, str]] = set()

    def shorten(record: Mapping[str, Any], inputs: bool = False) -> dict[str, Any]:
        which = record["key"], record.get("digest", "")
        again = which in told
        told.add(which)
        if again and not inputs:
            known = {name: record[name] for name in ("step", "key", "digest") if name in record}
            return {**known, "parents": []}
        return {**record, "parents": [] if again else [shorten(each) for each in record["parents"]]}

    return [shorten(parent, inputs=True) for parent in parents]


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file in a folder, hidden ones apart, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def _has_all(folder: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether the files of a finished output are still there, by their sizes alone.

    To read weights through at each start would take minutes.
    """
    try:
        return all(
            (folder / name).stat().st_size == size for name, size in record.get("files", {}).items()
        )
    except OSError:
        return False


def find_section(recipe: Recipe, key: str, absent: bool = False) -> Any:
    """Return the part of a recipe under a dotted key; None, if ``absent``, where it is left out.

    Raises InputError if there is none.
    """
    value: Any = recipe
    for part in key.split("."):
        if not isinstance(value, Section) or part not in type(value).model_fields:
            raise InputError(f"{key}: the recipe has no such section")
        value = getattr(value, part)
    if value is None and absent:
        return None
    if not isinstance(value, Section):
        raise InputError(f"{key}: the recipe leaves this section out")
    return value


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a stage's output, or a bare one with a key for any other path.

    Raises InputError if nothing is there, or no record that a stage has written.
    """
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        if not {"key", "step", "parents"} <= set(record):
            raise ValueError("it lacks what a stage writes")
    except (FileNotFoundError, NotADirectoryError):
        return {"key": fingerprint(folder), "step": folder.name, "parents": []}
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: broken ({error}); remove the folder {folder}, and what made it makes it again"
        ) from error
    return record


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, so that two runs never write one output."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{WAITING}another process works on {path.name[1:-5]}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
