"""Is an object in a cluster as it is wanted? What others have added to it does not matter."""

from typing import Any

from z1.serving.manifests import MANAGER, Manifest


def is_as_wanted(live: Manifest, wanted: Manifest) -> bool:
    """Tell whether applying ``wanted`` would change nothing."""
    return covers(live, wanted) and not _has_left_over(live, wanted)


def covers(live: Any, wanted: Any) -> bool:
    """Tell whether what is there has all that is wanted; what others added does not matter."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            field in live and covers(live[field], value) for field, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list) and len(live) == len(wanted) and all(map(covers, live, wanted))
        )
    return bool(live == wanted)


def _has_left_over(live: Manifest, wanted: Manifest) -> bool:
    """Tell whether z1 has applied fields that are wanted no more."""
    return any(
        _has_more(entry.get("fieldsV1") or {}, wanted)
        for entry in live["metadata"].get("managedFields") or []
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
    )


def _has_more(fields: dict[str, Any], wanted: Any) -> bool:
    # What is no f: is an item of a list, whose length and items ``covers`` compares.
    named = {name[2:]: inner for name, inner in fields.items() if name.startswith("f:")}
    return any(
        not isinstance(wanted, dict) or name not in wanted or _has_more(inner, wanted[name])
        for name, inner in named.items()
    )
