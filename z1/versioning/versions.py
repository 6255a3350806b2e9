"""Versions of what a registry holds: listing, finding, putting into a stage.

A version is a tag of GTO's, which wants three numbers: version 3 of ``z1-demo`` is the tag
``z1-demo@v3.0.0``. z1 counts the first of them alone and takes and shows ``z1-demo@v3`` for it.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from z1.errors import InputError
from z1.versioning.registry import Registry

RECORD = "version.json"
METRICS = "metrics.json"
STAGE_RECORD = "stage.json"
_REFERENCE = re.compile(r"(?P<name>[^@#]+)(?:@(?P<version>[^@#]+)|#(?P<stage>[^@#]+))")


class Ancestor(BaseModel):
    """A version that another one was made from."""

    model_config = ConfigDict(frozen=True)

    version: str
    """Such as ``z1-demo/subset@v3``."""
    content: str
    """Where it lies: an address in S3."""
    digest: str
    """SHA-256 of its manifest."""


class Published(BaseModel):
    """What a registry keeps of a version, in ``NAME/version.json``."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["model", "dataset"]
    step: str
    """The step of the pipeline that made it, or ``base`` or ``teacher`` for a model from outside
    of it."""
    key: str
    """Digest of all that it was made from: recipe, inputs and code."""
    content: str
    digest: str
    size: int
    """Bytes."""
    recipe: str
    """Name of the recipe."""
    parents: tuple[Ancestor, ...] = ()
    origins: dict[str, str] = {}
    """What is not in the registry: by ``teacher`` or ``base``, a hub id or a description."""


class Version(NamedTuple):
    """A version, and what is known of it."""

    name: str
    number: str
    """As z1 shows it, such as ``v3``."""
    tag: str
    created: datetime
    stages: tuple[str, ...]
    published: Published | None
    """None if something else than z1 registered it."""
    metrics: dict[str, Any]
    active: bool
    """Whether it was not taken back with ``gto deregister``; its descendants know it still."""

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"


def show_number(version: str) -> str:
    """Return GTO's ``v3.0.0`` as ``v3``; a version that z1 would not make stays as it is."""
    return version.removesuffix(".0.0")


def full_number(version: str) -> str:
    """Return ``v3`` as GTO's ``v3.0.0``."""
    return f"{version}.0.0" if re.fullmatch(r"v\d+", version) else version


def list_versions(registry: Registry) -> list[Version]:
    """Return all versions by name, each name's newest first; also those taken back."""
    from gto.base import BaseRegistryState
    from gto.constants import VersionSort
    from gto.registry import GitRegistry

    # Its tags alone: all that GTO can find out takes five times as long.
    state = BaseRegistryState()
    with GitRegistry.from_url(str(registry.folder)) as gto:
        for manager in (gto.version_manager, gto.stage_manager):
            state = manager.update_state(state)
    found = []
    stages: dict[tuple[str, str], list[str]] = {}
    for name, artifact in sorted(state.artifacts.items()):
        for stage, held in artifact.get_vstages(
            registered_only=True, versions_per_stage=1, sort=VersionSort.Timestamp
        ).items():
            for each in held:
                stages.setdefault((name, each.version), []).append(stage)
        everything = artifact.get_versions(active_only=False)
        found += [(name, version) for version in everything if version.is_registered]
    tags = {(name, each.version): f"{name}@{each.version}" for name, each in found}
    texts = registry.read(
        f"{tags[name, each.version]}:{name}/{file}"
        for name, each in found
        for file in (RECORD, METRICS)
    )
    return [
        Version(
            name=name,
            number=show_number(each.version),
            tag=tags[name, each.version],
            created=each.created_at,
            stages=tuple(sorted(stages.get((name, each.version), ()))),
            published=_parse(texts.get(f"{tags[name, each.version]}:{name}/{RECORD}")),
            metrics=_load(texts.get(f"{tags[name, each.version]}:{name}/{METRICS}")),
            active=each.is_active,
        )
        for name, each in found
    ]


def _parse(content: bytes | None) -> Published | None:
    try:
        return None if content is None else Published.model_validate_json(content)
    except ValidationError:
        return None


def _load(content: bytes | None) -> dict[str, Any]:
    """Return figures; another tool's file of the same name may hold anything."""
    try:
        figures = json.loads(content or b"{}")
    except ValueError:
        return {}
    return figures if isinstance(figures, dict) else {}


def next_number(registry: Registry, name: str) -> int:
    """Return the number of a name's next version: one above all tags, those taken back too."""
    tags = registry.git("tag", "--list", f"{name}@v*").split()
    numbers = [re.match(r"\d+", tag.removeprefix(f"{name}@v")) for tag in tags]
    return max((int(number[0]) for number in numbers if number), default=0) + 1


def find_version(versions: Iterable[Version], reference: str) -> Version:
    """Return the version ``NAME@v3``, ``NAME@latest`` or ``NAME#STAGE``.

    Raises InputError that lists what there is.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InputError(f"{reference!r} is no version; write NAME@v3, NAME@latest or NAME#STAGE")
    named = find_named(versions, match["name"])
    wanted, stage = match["version"], match["stage"]
    active = [version for version in named if version.active]
    if wanted == "latest" and active:
        return active[0]
    for version in named:
        if stage in version.stages or (wanted and version.tag.endswith(f"@{full_number(wanted)}")):
            return version
    there = ", ".join(
        f"{version} ({', '.join(version.stages)})" if version.stages else str(version)
        for version in active
    )
    raise InputError(f"{reference}: the registry has no such version; it has {there or 'none'}")


def find_named(versions: Iterable[Version], name: str) -> list[Version]:
    """Return all versions of a name. Raises InputError that lists the names that there are."""
    everything = list(versions)
    named = [version for version in everything if version.name == name]
    if not named:
        names = ", ".join(dict.fromkeys(version.name for version in everything)) or "none yet"
        raise InputError(f"{name}: the registry has nothing of this name; it has {names}")
    return named


def promote(registry: Registry, reference: str, stage: str) -> tuple[Version, Version | None]:
    """Put a version into a stage; return it and the one that was there, if there was one.

    Raises InputError if there is no such version, or GTO takes no such stage.
    """
    from gto.constants import Action
    from gto.exceptions import GTOException
    from gto.registry import GitRegistry
    from gto.tag import name_tag

    seen: list[tuple[Version, Version | None]] = []

    def tag() -> list[str]:
        versions = list_versions(registry)
        version = find_version(versions, reference)
        held = [each for each in versions if each.name == version.name and stage in each.stages]
        seen.append((version, held[0] if held else None))
        if version in held:
            return []
        with GitRegistry.from_url(str(registry.folder)) as gto:
            try:
                gto.config.assert_stage(stage)
            except GTOException as error:
                raise InputError(f"stage {stage!r}: {error}") from error
            name = str(name_tag(Action.ASSIGN, version.name, stage=stage, scm=gto.scm))
        message = f"Assigning stage {stage} to artifact {version.name} version {version.number}"
        # GTO takes the last one's time for whose the stage is; clocks differ, and tick in seconds.
        registry.tag(name, f"{version.tag}^{{commit}}", message, last=True)
        return [name]

    registry.push(tag)
    return seen[-1]
