"""The version in service: the one in the stage ``prod`` of a registry."""

from collections.abc import Iterable

from z1.versioning.registry import open_registry
from z1.versioning.versions import Version, promote, take_back

PROD = "prod"


def find_incumbent(versions: Iterable[Version], name: str) -> Version | None:
    """Return the version of a name that is in service, or None."""
    return next((each for each in versions if each.name == name and PROD in each.stages), None)


def put_into_service(url: str, version: str, replaced: str | None) -> None:
    """Put a version into service in place of the one that it is to replace, or of none.

    One that is in service already stays. Raises StageTakenError if another one has been put there
    meanwhile.
    """
    with open_registry(url) as registry:
        promote(registry, version, PROD, instead_of=(replaced,))


def take_out_of_service(url: str, version: str) -> str | None:
    """Give the place of a version back to the one before it, and return that, or None."""
    with open_registry(url) as registry:
        before = take_back(registry, version, PROD)
    return str(before) if before else None
