"""Put the published model into service if the evaluation says that it is the better one.

Inputs: ``evaluate``, whose report has the decision, and ``published``, the output of the publish
stage. The output is ``gate.json``: ``opens``; ``text``, a sentence; ``version``, the published one;
``replaced``, the version in service before, or null; ``registry``; and ``decision``, all that the
report says of it. A gate that stays closed is no error.
"""

import json
from pathlib import Path
from typing import Any

from z1.errors import InputError
from z1.records import write_bytes
from z1.stages import Metrics, Work

USES = ()

GATE = "gate.json"


def run(work: Work) -> Metrics:
    """Say whether the gate opens, and if so put the version into the registry's stage ``prod``.

    Raises InputError if the evaluation was not given the incumbent, or the registry refuses.
    """
    published = json.loads((work.inputs["published"] / "versions.json").read_bytes())
    registry = published["registry"]
    decision: dict[str, Any] | None = None
    opens, version, replaced = False, None, None
    if registry is None:
        text = "nothing to do: the recipe names no registry, so nothing was published"
    else:
        decision = _read_decision(work.inputs["evaluate"])
        candidate = decision["candidate"]
        if candidate not in published["versions"]:
            raise InputError(
                f"{work.inputs['published']}: {candidate}, the evaluation's candidate, was not "
                "published; run evaluate and publish with the same recipe"
            )
        version = published["versions"][candidate]["version"]
        opens, replaced, text = _pass(registry, version, decision)
    print(text, decision["text"] if decision else "", sep="\n", flush=True)
    found = {"opens": opens, "text": text, "version": version, "replaced": replaced}
    content = json.dumps({**found, "registry": registry, "decision": decision}, indent=1)
    write_bytes(work.output / GATE, content.encode() + b"\n")
    return Metrics(int(opens), {}, found, "versions")


def _pass(registry: str, version: str, decision: dict[str, Any]) -> tuple[bool, str | None, str]:
    """Return whether a version passes, what it has replaced, and a sentence."""
    from z1.versioning.service import put_into_service
    from z1.versioning.versions import StageTakenError

    incumbent = decision["incumbent"]
    if version == incumbent:
        return True, None, f"open: {version} is in service already"
    if not decision["opens"]:
        return False, None, f"closed: {version} is not put into service"
    try:
        put_into_service(registry, version, replaced=incumbent)
    except StageTakenError as error:
        return False, None, f"closed: {error}; run again to compare {version} to it"
    place = f" in place of {incumbent}" if incumbent else ""
    return True, incumbent, f"open: {version} is put into service{place}"


def _read_decision(evaluated: Path) -> dict[str, Any]:
    report = json.loads((evaluated / "report.json").read_bytes())
    found: dict[str, Any] | None = report["gate"]
    if found is None:
        raise InputError(
            f"{evaluated}: the evaluation does not know which model is in service; give it the "
            "output of the stage incumbent as the input 'incumbent'"
        )
    return found
