"""What an output depends on, as one digest: values, sections of a recipe, files and source code."""

import ast
import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import z1
from z1.errors import InputError
from z1.recipe import Section
from z1.tiny import MODEL

_PACKAGE = Path(z1.__file__).parent
_HASH_WHOLE_BYTES = 256 * 2**20  # larger files are identified by size and time of change


def make_key(dependencies: Mapping[str, Any]) -> str:
    """Return a digest of values, sections of the recipe and files, by what is in them."""
    text = json.dumps(_plain(dict(dependencies)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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


def find_uses(stage: str) -> tuple[str, ...]:
    """Return a stage module's USES without importing it, which can take many seconds."""
    source = find_source(f"z1.stages.{stage}").read_bytes()
    [uses] = [
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "USES"
    ]
    found: tuple[str, ...] = ast.literal_eval(uses)
    return found


def code_digest(module: str, without: Collection[str] = ()) -> str:
    """Return a digest of the source of a z1 module and of all in z1 that it imports.

    A room counts whole: its files are found by name at run time as well as by import. Files named
    in ``without``, such as ``evaluation/page.py``, do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(find_sources(module)):
        if path.relative_to(_PACKAGE).as_posix() in without:
            continue
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def find_sources(module: str) -> set[Path]:
    """Return the source files of a z1 module and of all in z1 that it imports, rooms whole."""
    found: set[Path] = set()
    seen = {find_source(module)}  # a room is walked once, not for each import from it
    waiting = _files(find_source(module))
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix != ".py":
            continue
        for name in _imported(path.read_bytes()):
            place = find_source(name)
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


def find_source(module: str) -> Path:
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
