"""What a version was made from, back to what came from outside."""

from collections.abc import Mapping, Sequence
from typing import Any

from z1.errors import InputError
from z1.versioning.versions import Ancestor, Version


def list_ancestors(versions: Sequence[Version], version: Version) -> list[Version]:
    """Return a version and all that it came from, each once, children before their parents.

    Raises InputError if z1 did not publish the version, or one of its ancestors is gone.
    """
    known = {str(each): each for each in versions}
    found: dict[str, Version] = {}

    def add(each: Version) -> None:
        if str(each) in found:
            return
        for parent in parents_of(each):
            add(_find_parent(known, each, parent))
        found[str(each)] = each

    add(version)
    return list(reversed(found.values()))


def parents_of(version: Version) -> tuple[Ancestor, ...]:
    """Return the versions that a version was made from. Raises InputError if that is not known."""
    if version.published is None:
        raise InputError(f"{version}: was not published by z1, so its lineage is not known")
    return version.published.parents


def find_own(versions: Sequence[Version], version: Version, name: str) -> Version:
    """Return the version of a name that the run which made this version used.

    A model may have been trained further from an earlier version of itself; what that one was made
    from does not count. Raises InputError if the run used nothing of the name.
    """
    known = {str(each): each for each in versions}
    waiting, seen = [version], {str(version)}
    while waiting:
        each = waiting.pop()
        if each.name == name:
            return each
        for parent in parents_of(each):
            if parent.version not in seen and not parent.version.startswith(f"{version.name}@"):
                seen.add(parent.version)
                waiting.append(_find_parent(known, each, parent))
    raise InputError(f"{version}: was not made from any version of {name}")


def _find_parent(known: Mapping[str, Version], child: Version, parent: Ancestor) -> Version:
    if parent.version not in known:
        raise InputError(
            f"{child}: was made from {parent.version}, which the registry no longer has; "
            f"push its tag again. Its content was at {parent.content}"
        )
    return known[parent.version]


def to_json(version: Version) -> dict[str, Any]:
    """Return all that is known of a version."""
    known = version.published.model_dump(mode="json") if version.published else {}
    return {
        "version": str(version),
        "tag": version.tag,
        "created": version.created.isoformat(),
        "stages": list(version.stages),
        **known,
        "metrics": version.metrics,
    }
