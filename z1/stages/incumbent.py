"""Bring the model in service: the version of the recipe's model in the registry's stage ``prod``.

The output is that model's folder, so that it can be sampled from and trained on as any other, with
``incumbent.json``: ``version``, ``commit``, ``key`` (of the step that made it), ``content`` (its
address in S3), ``digest`` and ``text``, a sentence. Without a registry, or with no model in
service, it holds that file alone, in which all but ``text`` is null.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from z1.recipe import Publish, Recipe
from z1.records import write_bytes
from z1.stages import Metrics, Work
from z1.stages.publish import artifact_name

USES = ("name",)

INCUMBENT = "incumbent.json"
_FIELDS = ("version", "commit", "key", "content", "digest")


def look(recipe: Recipe, section: Publish) -> dict[str, Any] | None:
    """Return what ``incumbent.json`` says of the version in service now; None if there is none.

    Raises InputError if the registry cannot be asked, or z1 did not publish that version.
    """
    if section.registry is None:
        return None
    from z1.versioning.lineage import parents_of
    from z1.versioning.registry import open_registry
    from z1.versioning.service import find_incumbent
    from z1.versioning.versions import list_versions

    with open_registry(section.registry) as registry:
        found = find_incumbent(list_versions(registry), artifact_name(recipe.name))
        if found is None:
            return None
        parents_of(found)  # raises InputError where z1 did not publish it
        assert found.published is not None
        commit = registry.git("rev-parse", f"{found.tag}^{{commit}}").strip()
    known = found.published
    values = (str(found), commit, known.key, known.content, known.digest)
    return dict(zip(_FIELDS, values, strict=True))


def run(work: Work) -> Metrics:
    """Pull the version that ``look`` found, if it found one."""
    found: Mapping[str, Any] = work.outside or dict.fromkeys(_FIELDS)
    if work.section.registry is None:
        text = "nothing to do: the recipe names no registry"
    elif found["version"] is None:
        text = f"no version of {artifact_name(work.recipe.name)} is in service yet"
    else:
        text = f"{found['version']} is in service"
        _pull(work.section.registry, found["version"], work.output)
    print(text, flush=True)
    record = {**found, "text": text}
    write_bytes(work.output / INCUMBENT, json.dumps(record, indent=1).encode() + b"\n")
    return Metrics(int(found["version"] is not None), {}, record, "versions")


def _pull(url: str, reference: str, folder: Path) -> None:
    """Bring a version's files to a folder that has others in it."""
    from z1.versioning.pulling import pull
    from z1.versioning.registry import open_registry
    from z1.versioning.versions import STAGE_RECORD, find_version, list_versions

    pulled = folder / "pulled"
    shutil.rmtree(pulled, ignore_errors=True)  # of an attempt that was cut off between the moves
    with open_registry(url) as registry:
        pull(registry, find_version(list_versions(registry), reference), pulled)
    (pulled / STAGE_RECORD).unlink(missing_ok=True)  # this stage writes one of its own
    for path in [path for path in pulled.rglob("*") if path.is_file()]:
        target = folder / path.relative_to(pulled)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(pulled)
