"""The version in service: the one in the stage ``prod`` of a registry."""

from collections.abc import Iterable

from z1.versioning.versions import Version

PROD = "prod"


def find_incumbent(versions: Iterable[Version], name: str) -> Version | None:
    """Return the version of a name that is in service, or None."""
    return next((each for each in versions if each.name == name and PROD in each.stages), None)
