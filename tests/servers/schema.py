"""Checks objects against structural OpenAPI schemas, as an API server does for custom resources.

Written from the Kubernetes documentation, "Extend the Kubernetes API with
CustomResourceDefinitions": structural schemas, unknown fields, ``x-kubernetes-int-or-string`` and
``x-kubernetes-preserve-unknown-fields``. The definitions themselves are not part of this project:
the environment variable Z1_CRDS names a folder with them.
"""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = "Z1_CRDS"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


class Problem(NamedTuple):
    """What is wrong with a field."""

    field: str
    message: str
    unknown: bool = False


@cache
def load_schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the schemas of the folder by (apiVersion, kind); none where no folder is named."""
    folder = os.environ.get(FOLDER)
    found = {}
    for path in sorted(Path(folder).glob("*.yaml")) if folder else []:
        content = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        spec = content["spec"]
        for version in spec["versions"]:
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = version["schema"]["openAPIV3Schema"]
    return found


def find_problems(schema: dict[str, Any], value: Any, field: str = "") -> Iterator[Problem]:
    """Yield what is wrong with a value."""
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield Problem(field, f"Invalid value: {value!r}: must be an integer or a string")
        elif "pattern" in schema and not re.search(schema["pattern"], str(value)):
            yield Problem(field, f"Invalid value: {value!r}: does not match {schema['pattern']}")
        return
    kind = schema.get("type")
    if value is None and schema.get("nullable"):
        return
    if kind and (
        not isinstance(value, _TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))
    ):
        yield Problem(field, f"Invalid value: {value!r}: must be of type {kind}")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Problem(field, f"Unsupported value: {value!r}: supported: {schema['enum']}")
    if isinstance(value, dict):
        yield from _of_object(schema, value, field)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from find_problems(schema.get("items", {}), item, f"{field}[{number}]")
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield Problem(field, f"Invalid value: {value!r}: does not match {schema['pattern']}")
    elif isinstance(value, int | float) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    ):
        yield Problem(field, f"Invalid value: {value!r}: out of bounds")


def _of_object(schema: dict[str, Any], value: dict[str, Any], field: str) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    # The metadata of an object is the server's to check, not the definition's.
    free = others or schema.get("x-kubernetes-preserve-unknown-fields") or field == "metadata"
    for name in schema.get("required", []):
        if name not in value:
            yield Problem(f"{field}.{name}".lstrip("."), "Required value")
    for name, item in value.items():
        place = f"{field}.{name}".lstrip(".")
        if name in properties:
            yield from find_problems(properties[name], item, place)
        elif isinstance(others, dict):
            yield from find_problems(others, item, place)
        elif not free:
            yield Problem(place, "unknown field", unknown=True)
