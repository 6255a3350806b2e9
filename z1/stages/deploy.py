"""Stage: serve a published model on KServe in the place of the version in service.

Inputs: ``published``, the output of the publish stage, and ``gate``, the output of that stage, if
the gate is to be asked: where it stays closed the incumbent stays in service. The cluster is that
of the pod it runs in, or of the kubeconfig; the service's key comes from OPENAI_API_KEY.
"""

import json
from typing import TYPE_CHECKING, Any

from z1.errors import InputError, RolloutError
from z1.recipe import Deployment
from z1.records import write_bytes
from z1.serving.published import read_published
from z1.stages import Metrics, Work
from z1.stages.gate import GATE

if TYPE_CHECKING:
    from z1.serving.rollout import Outcome

USES = ("method", "publish", "window")
RECORD = "deployment.json"


def run(work: Work) -> Metrics:
    """Deploy, and write what came of it.

    Raises RolloutError if the version is not served: the registry's stage ``prod`` is then given
    back to the version before. Raises InputError if it, the service or the cluster is not as it has
    to be.
    """
    gate: dict[str, Any] | None = None
    if "gate" in work.inputs:
        gate = json.loads((work.inputs["gate"] / GATE).read_bytes())
    if work.section is None:
        return _leave(work, "nothing to do: the recipe has no section deploy")
    if gate is not None and not gate["opens"]:
        return _leave(work, f"nothing is deployed: {gate['text']}")
    done = _deploy(work) if gate is None else _deploy_promoted(work, gate)
    record = done._asdict() | {"answers": [answer._asdict() for answer in done.answers]}
    write_bytes(work.output / RECORD, json.dumps(record, indent=1).encode() + b"\n")
    return Metrics(kept=1, dropped={}, details=record, unit="versions")


def _leave(work: Work, text: str) -> Metrics:
    print(text, flush=True)
    record = {"changed": False, "text": text}
    write_bytes(work.output / RECORD, json.dumps(record, indent=1).encode() + b"\n")
    return Metrics(kept=0, dropped={}, details=record, unit="versions")


def _deploy(work: Work) -> "Outcome":
    from z1.serving.cluster import Cluster, connect
    from z1.serving.rollout import deploy

    section: Deployment = work.section
    published = read_published(work.inputs["published"], work.recipe.candidate)
    cluster = Cluster(connect(), section.namespace)
    return deploy(cluster, published, section, work.recipe.window, print)


def _deploy_promoted(work: Work, gate: dict[str, Any]) -> "Outcome":
    """Deploy the version that the gate put into service; if that fails, give its place back."""
    from z1.serving.lease import LostLeaseError, UnderWayError
    from z1.versioning.service import put_into_service, take_out_of_service

    version, registry = gate["version"], gate["registry"]
    # An attempt before this one may have failed and given it back.
    put_into_service(registry, version, gate["replaced"])
    try:
        return _deploy(work)
    except (LostLeaseError, UnderWayError):
        raise  # another attempt rolls out, and sees to the registry
    except (Exception, KeyboardInterrupt) as error:
        if gate["replaced"] is None and gate["decision"]["incumbent"] == version:
            raise  # it was in service before, and still is
        try:
            before = take_out_of_service(registry, version)
        except InputError as second:
            raise RolloutError(
                f"{error}\n{version} is still prod in the registry {registry}: {second}"
            ) from error
        print(f"registry: {before or 'no version'} is prod again, not {version}", flush=True)
        raise
