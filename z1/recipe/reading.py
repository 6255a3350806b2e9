"""Reading and writing recipes, with every mistake explained at once."""

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from z1.errors import InputError, hide_secrets
from z1.recipe.section import resolve_paths
from z1.recipe.whole import Recipe


def find_recipe(name: str) -> Path:
    """Return the path of a recipe file, or of the built-in recipe of that name.

    Raises InputError that lists the built-in ones where there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    shelf = Path(str(resources.files("z1_recipes")))
    built_in = shelf / f"{name}.yaml"
    if re.fullmatch(r"[\w.-]+", name) and built_in.is_file():
        return built_in
    names = ", ".join(sorted(path.stem for path in shelf.glob("*.yaml")))
    raise InputError(f"{name}: no such recipe file, nor a built-in recipe ({names})")


def load_recipe(
    path: Path,
    look_closer: Callable[[object], Iterable[str]] = lambda content: (),
    *,
    runs_here: bool = True,
) -> Recipe:
    """Read a recipe; paths in it are taken from the recipe file's folder.

    ``look_closer`` is given the file's content and returns further mistakes, each with its key.
    The files it names have to be there if it ``runs_here``.
    Raises InputError that names the file and every wrong key at once.
    """
    content, mistakes = read_yaml(path)
    folder = path.resolve().parent
    context = {"folder": folder} if runs_here else None
    mistakes += [*_find_mistakes(content, context), *look_closer(content)]
    _refuse(mistakes, str(path))
    return parse_recipe(content, where=str(path), folder=folder)


def write_recipe(recipe: Recipe) -> str:
    """Return a recipe as the YAML text that a run keeps, with all its defaults.

    Where its unfinished steps were kept is left out, since its results do not depend on that.
    """
    content = recipe.model_dump(mode="json", exclude={"checkpoints"})
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def parse_recipe(content: object, where: str, folder: Path) -> Recipe:
    """Check a recipe's content; ``where`` stands in the messages, ``folder`` before its paths.

    Whether what it names is there is not looked at: on a cluster each step has its own files.
    """
    _refuse(_find_mistakes(content), where)
    resolved: Recipe = resolve_paths(Recipe.model_validate(content), folder)
    return resolved


def _refuse(mistakes: list[str], where: str) -> None:
    if mistakes:
        lines = [f"{where}: {len(mistakes)} mistake(s) in the recipe"]
        raise InputError("\n".join([*lines, *(f"  {mistake}" for mistake in mistakes)]))


def _find_mistakes(content: object, context: dict[str, Any] | None = None) -> list[str]:
    try:
        Recipe.model_validate(content, context=context)
    except ValidationError as error:
        return explain(error, "see `z1 recipe keys` for those there are")
    return []


def explain(error: ValidationError, known: str) -> list[str]:
    """Return each mistake with its key; ``known`` tells of the keys that there are."""
    return [_explain(detail, known) for detail in error.errors()]


def read_yaml(path: Path) -> tuple[object, list[str]]:
    """Return what a YAML file says, and its keys that stand twice, of which YAML takes the last.

    Raises InputError if there is no such file or it is no YAML.
    """
    try:
        return _parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # such as a date of month 13
        raise InputError(f"{path}: not YAML: {error}") from error


def _parse_yaml(text: str) -> tuple[object, list[str]]:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, []
        twice = list(_find_twice(node, "", set()))
        return loader.construct_document(node), twice
    finally:
        loader.dispose()


def _find_twice(node: yaml.Node, key: str, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias of what was looked at already
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _find_twice(item, f"{key}.{number}".removeprefix("."), seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for name, value in node.value:
            line, inner = name.start_mark.line + 1, f"{key}.{name.value}".removeprefix(".")
            if inner in lines and name.value != "<<":
                yield f"{inner}: line {lines[inner]} and line {line} both have this key; keep one"
            lines[inner] = line
            yield from _find_twice(value, inner, seen)


_SOURCE_KINDS = {"file", "huggingface", "questions", "procedural", "benchmark"}


def _explain(detail: Any, known: str) -> str:
    location = [part for part in detail["loc"] if part not in _SOURCE_KINDS]
    key = ".".join(str(part) for part in location) or "(top)"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key; {known}"
    if detail["type"] == "missing":
        return f"{key}: this key is needed"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing_path":
        return f"{key}: {message}"
    given = detail["input"]
    shown = "" if isinstance(given, dict) else f" (it is {hide_secrets(repr(given))})"
    return f"{key}: {message}{shown}"
