"""What a version was made from, back to what came from outside."""

from collections.abc import Sequence
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
            if parent.version not in known:
                raise InputError(
                    f"{each}: was made from {parent.version}, which the registry no longer has; "
                    f"push its tag again. Its content was at {parent.content}"
                )
            add(known[parent.version])
        found[str(each)] = each

    add(version)
    return list(reversed(found.values()))


def parents_of(version: Version) -> tuple[Ancestor, ...]:
    """Return the versions that a version was made from. Raises InputError if that is not known."""
    if version.published is None:
        raise InputError(f"{version}: was not published by z1, so its lineage is not known")
    return version.published.parents


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
