"""What `z1 recipe keys` shows: every key of a recipe with its type, default and meaning."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from z1.recipe.whole import Recipe

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
_NEEDED = "needed"


@dataclass(frozen=True)
class Key:
    """One key of the recipe."""

    name: str
    """Dotted; ``[]`` stands for each item of a list."""
    type: str
    """What may stand there, in words."""
    default: str
    """``needed``, or ``default: `` and what is taken where the key is absent, as JSON."""
    meaning: str
    """One or two sentences."""


def list_keys() -> list[Key]:
    """Return every key of a recipe, in the order of the recipe's sections."""
    schema = Recipe.model_json_schema()
    return list(_walk(schema, schema["$defs"], ""))


def _walk(section: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> Iterator[Key]:
    for name, field in section["properties"].items():
        key = f"{prefix}{name}"
        default = _NEEDED
        if name not in section.get("required", ()):
            default = f"default: {json.dumps(field.get('default'))}"
        yield Key(key, _type(field, definitions), default, " ".join(_meaning(field, definitions)))
        for deeper, start in _sections(field, definitions, key):
            yield from _walk(deeper, definitions, f"{start}.")


def _meaning(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    text = field.get("description") or _resolve(field, definitions).get("description", "")
    return str(text).replace("``", "`").split()


def _sections(
    field: Mapping[str, Any], definitions: Mapping[str, Any], key: str
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the sections that may stand under a key, each with the key it then has."""
    resolved = _resolve(field, definitions)
    if "properties" in resolved:
        yield resolved, key
    elif resolved.get("type") == "array":
        yield from _sections(resolved["items"], definitions, f"{key}[]")
    else:
        choices = [_resolve(choice, definitions) for choice in _choices(resolved)]
        for choice in choices:
            if "properties" in choice:
                kind = choice["properties"].get("kind", {}).get("const")
                yield choice, f"{key}({kind})" if kind else key


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    field = _resolve(field, definitions)
    if "const" in field:
        return json.dumps(field["const"])
    if "enum" in field:
        return _either([json.dumps(value) for value in field["enum"]])
    if "properties" in field:
        return "section"
    if choices := _choices(field):
        return _either(list(dict.fromkeys(_type(choice, definitions) for choice in choices)))
    if field["type"] == "array":
        return f"list of: {_type(field['items'], definitions)}"
    words = "file" if field.get("format") == "path" else _TYPES[field["type"]]
    bounds = [f"{word} {field[bound]:g}" for bound, word in _BOUNDS.items() if bound in field]
    if "pattern" in field:
        bounds.append(f"matching {field['pattern']}")
    if field.get("minLength"):
        bounds.append("not empty")
    return f"{words} ({' and '.join(bounds)})" if bounds else words


def _choices(field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = field.get("oneOf") or field.get("anyOf") or []
    return found


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _resolve(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in field:
        found: Mapping[str, Any] = definitions[field["$ref"].removeprefix("#/$defs/")]
        return found
    return field
