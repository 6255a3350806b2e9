"""Starting a TrainJob, watching it to its end, and taking it away."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from z1.errors import RunError
from z1.nodes.trainjob import CONTAINER
from z1.recipe import TrainingNode
from z1.serving.cluster import Cluster, UnreachableError, connect
from z1.serving.manifests import Manifest
from z1.serving.pods import explain_pod

PAUSE = 2.0  # seconds between looks at a TrainJob that is being deleted
_SPELL = 3600.0  # seconds of one watch, after which there is another
_LINES = 20  # of the first node's log, to see how far it is
_QUOTED = 3  # pods whose failure is told
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Report = Callable[[int, int], None]


def find_cluster(node: TrainingNode | None) -> Cluster:
    """Return the namespace for TrainJobs: the recipe's, else that of this pod, else ``z1``.

    Raises InputError if there is no way to a cluster.
    """
    namespace = node.namespace if node else None
    if namespace is None:
        namespace = _NAMESPACE.read_text().strip() if _NAMESPACE.is_file() else "z1"
    return Cluster(connect(), namespace)


def follow(cluster: Cluster, manifest: Manifest, report: Report) -> None:
    """Bring a TrainJob to its end: start it, unless it runs already, watch it and remove it.

    It is also removed when this process is told to end; only where the API server cannot be
    reached any more does it go on, for the step's next attempt to find. Raises RunError with what
    its pods say if it fails, InputError if the cluster refuses it.
    """
    name = manifest["metadata"]["name"]
    with _ended_by_signal():
        try:
            if _is_there(cluster, name):
                print(f"TrainJob {name} is there already", flush=True)
            else:
                cluster.apply(manifest)
                print(f"TrainJob {name} is started", flush=True)
            failure = _watch(cluster, name, manifest["spec"]["trainer"]["args"][-1], report)
        except UnreachableError:
            raise
        except BaseException:
            cluster.delete("TrainJob", name)
            raise
        cluster.delete("TrainJob", name)
    if failure:
        raise RunError(failure)


def _is_there(cluster: Cluster, name: str) -> bool:
    """Tell whether an earlier attempt's TrainJob can be watched; one that has failed is removed."""
    while (found := cluster.get("TrainJob", name)) is not None:
        if "deletionTimestamp" not in found["metadata"]:
            if _condition(found, "Failed") is None:
                return True
            cluster.delete("TrainJob", name)
        time.sleep(PAUSE)
    return False


def _watch(cluster: Cluster, name: str, step: str, report: Report) -> str | None:
    """Return when the TrainJob has ended: why it failed, if it did."""
    told = ""
    while True:
        for found in cluster.look("TrainJob", name, _SPELL):
            if found is None or "deletionTimestamp" in found["metadata"]:
                return f"TrainJob {name} was deleted; start the step again, and it goes on"
            if _condition(found, "Complete"):
                return None
            if failed := _condition(found, "Failed"):
                return f"TrainJob {name} failed: {_explain_end(cluster, name, failed)}"
            pods = _pods(cluster, name)
            _show(cluster, pods, step, report)
            reasons = _explain(cluster, pods, "Pending")
            if reasons and reasons[0] != told:
                told = reasons[0]
                print(f"TrainJob {name} waits: {told}", flush=True)


def _condition(found: Manifest, kind: str) -> Manifest | None:
    for condition in (found.get("status") or {}).get("conditions") or []:
        if condition["type"] == kind and condition["status"] == "True":
            return dict(condition)
    return None


def _pods(cluster: Cluster, name: str) -> list[Manifest]:
    return cluster.list("Pod", label_selector=f"jobset.sigs.k8s.io/jobset-name={name}")


def _show(cluster: Cluster, pods: list[Manifest], step: str, report: Report) -> None:
    """Report how far the first node is, by the lines that it prints for this."""
    for pod in pods:
        if pod["metadata"]["labels"].get("batch.kubernetes.io/job-completion-index") != "0":
            continue
        log = cluster.log(pod["metadata"]["name"], CONTAINER, _LINES, previous=False)
        for line in reversed(log.splitlines()):
            said = json.loads(line) if line.startswith('{"z1_progress"') else {}
            if said.get("z1_progress") == step:  # and not of files on their way to S3
                report(said["done"], said["total"])
                return


def _explain_end(cluster: Cluster, name: str, failed: Manifest) -> str:
    """Return what the pods that failed say, the first of them first; else what Trainer says."""

    def ended(pod: Manifest) -> str:
        statuses = (pod.get("status") or {}).get("containerStatuses") or []
        ends = [((status.get("state") or {}).get("terminated") or {}) for status in statuses]
        return min((end.get("finishedAt") or "~" for end in ends), default="~")

    reasons = _explain(cluster, sorted(_pods(cluster, name), key=ended), "Failed")
    return "\n".join(reasons[:_QUOTED]) or str(failed.get("message") or failed.get("reason"))


def _explain(cluster: Cluster, pods: list[Manifest], phase: str) -> list[str]:
    of_phase = [pod for pod in pods if (pod.get("status") or {}).get("phase") == phase]
    reasons = [explain_pod(cluster, pod, "train.node") for pod in of_phase]
    return [reason for reason in reasons if reason]


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Let SIGTERM end this process as an error does, so that it can tidy up first."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
