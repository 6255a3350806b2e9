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

import ast
import fcntl
import hashlib
import importlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import z1
from z1 import progress
from z1.errors import InputError
from z1.recipe import Recipe, Section
from z1.records import remove_unfinished, write_bytes
from z1.stages.given import STAGES, check_given, check_output
from z1.stages.keeping import open_keeper
from z1.stages.outside import find_models
from z1.stages.spreading import OnNodes, find_nodes, nowhere
from z1.tiny import MODEL
from z1.versioning.content import digest_content

RECORD = "stage.json"
WAITING = "waiting: "
"""How the line begins that a stage prints while another process has its output."""
_MARKER = ".key"  # file in an unfinished output, with the key it will have
_PACKAGE = Path(z1.__file__).parent
_HASH_WHOLE_BYTES = 256 * 2**20  # larger files are identified by size and time of change


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
    names = (*_uses(stage), *(chosen.uses() if chosen else ()))
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


def _uses(stage: str) -> tuple[str, ...]:
    """Return a stage module's USES without importing it, which can take many seconds."""
    source = (_PACKAGE / "stages" / f"{stage}.py").read_bytes()
    [uses] = [
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "USES"
    ]
    found: tuple[str, ...] = ast.literal_eval(uses)
    return found


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


def make_key(dependencies: Mapping[str, Any]) -> str:
    """Return a digest of values, sections of the recipe and files, by what is in them."""
    text = json.dumps(_plain(dict(dependencies)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(path: Path) -> str:
    """Return a digest of a file or folder. Raises InputError if there is none."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        status = file.stat()
        digest.update(str(file.relative_to(path)).encode())
        if status.st_size > _HASH_WHOLE_BYTES:
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        else:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def code_digest(module: str, without: Collection[str] = ()) -> str:
    """Return a digest of the source of a z1 module and of all in z1 that it imports.

    A room counts whole: its files are found by name at run time as well as by import. Files named
    in ``without``, such as ``evaluation/page.py``, do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(module)):
        if path.relative_to(_PACKAGE).as_posix() in without:
            continue
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _closure(module: str) -> set[Path]:
    found: set[Path] = set()
    seen = {_place(module)}  # a room is walked once, not for each import from it
    waiting = _files(_place(module))
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix != ".py":
            continue
        for name in _imported(path.read_bytes()):
            place = _place(name)
            if place not in seen:
                seen.add(place)
                waiting |= _files(place)
    return found


@cache  # parsing takes most of a digest's time, and a process may run many stages
def _imported(source: bytes) -> frozenset[str]:
    """Return the names in z1 that a source file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(name for name in names if name.startswith("z1."))


def _place(module: str) -> Path:
    """Return where a module's source is: its room, or its one file, as each stage has."""
    top, *rest = module.split(".")[1:]
    if top == "stages":
        return _PACKAGE.joinpath(top, *rest[:1]).with_suffix(".py")
    room = _PACKAGE / top
    return room if room.is_dir() else room.with_suffix(".py")


def _files(place: Path) -> set[Path]:
    """Return the source files of a room, or the one file, if there is such a one."""
    if place.is_dir():
        return {path for ending in (".py", ".j2") for path in place.rglob(f"*{ending}")}
    return {place} if place.is_file() else set()


def _plain(value: Any) -> Any:
    """Return a section as JSON values, with each file it names joined by that file's digest."""
    if isinstance(value, Section):
        fields = {name: _plain(getattr(value, name)) for name in type(value).model_fields}
        for name in value.hub_or_folder:
            folder = MODEL if fields[name] == "tiny" else Path(fields[name] or "")
            if fields[name] and folder.exists():
                fields[name] = [fields[name], fingerprint(folder)]
        return fields
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Path):
        return [str(value), fingerprint(value)]
    return value


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
