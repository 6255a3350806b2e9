"""Why a version's pods are not ready, in the pods' own words."""

from collections.abc import Collection, Iterator
from typing import Any

from z1.serving.cluster import Cluster
from z1.serving.manifests import Manifest, name_workload, select_pods

_HOPELESS_RESTARTS = 3
_LINES = 10
_PULLING = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}


def explain(cluster: Cluster, service: str, version: str, without: Collection[str]) -> str:
    """Return why a version is not ready: of its pods but some, or why it has none."""
    pods = _find(cluster, service, version, without)
    reasons = [reason for pod in pods if (reason := explain_pod(cluster, pod))]
    if reasons:
        return reasons[0]
    if pods:
        return "its pods are ready, but KServe does not say that it is"
    return _no_pods(cluster, service, version)


def find_crash(
    cluster: Cluster, service: str, version: str, without: Collection[str]
) -> str | None:
    """Return why a pod, none of some, will never be ready, if it keeps crashing."""
    for pod in _find(cluster, service, version, without):
        for status, _ in _containers(pod):
            waiting = (status.get("state") or {}).get("waiting") or {}
            crashing = waiting.get("reason") == "CrashLoopBackOff"
            if crashing and status.get("restartCount", 0) >= _HOPELESS_RESTARTS:
                return explain_pod(cluster, pod)
    return None


def count_restarts(cluster: Cluster, service: str, version: str) -> int:
    """Return how often containers of a version have been started again."""
    pods = _find(cluster, service, version)
    return sum(status.get("restartCount", 0) for pod in pods for status, _ in _containers(pod))


def find_names(cluster: Cluster, service: str, version: str) -> frozenset[str]:
    """Return the names of a version's pods."""
    return frozenset(pod["metadata"]["name"] for pod in _find(cluster, service, version))


def _find(
    cluster: Cluster, service: str, version: str, without: Collection[str] = ()
) -> list[Manifest]:
    """Return the pods of a version, but those that are going and some others."""
    return [
        pod
        for pod in cluster.list("Pod", label_selector=select_pods(service, version))
        if pod["metadata"]["name"] not in without and "deletionTimestamp" not in pod["metadata"]
    ]


def _containers(pod: Manifest) -> Iterator[tuple[Manifest, Manifest]]:
    """Yield the status and the spec of each container that has a status."""
    for statuses, specs in (
        ("initContainerStatuses", "initContainers"),
        ("containerStatuses", "containers"),
    ):
        by_name = {spec["name"]: spec for spec in (pod.get("spec") or {}).get(specs) or []}
        for status in (pod.get("status") or {}).get(statuses) or []:
            yield status, by_name.get(status["name"], {})


def explain_pod(cluster: Cluster, pod: Manifest, section: str = "deploy.pool") -> str | None:
    """Return why a pod is not ready, or None if it is. ``section`` of the recipe describes it."""
    name = pod["metadata"]["name"]
    conditions = {
        condition["type"]: condition
        for condition in (pod.get("status") or {}).get("conditions") or []
    }
    if (conditions.get("Ready") or {}).get("status") == "True":
        return None
    placed = conditions.get("PodScheduled") or {}
    if placed.get("status") == "False":
        return f"no node takes pod {name}: {placed.get('message', placed.get('reason'))}"
    for status, spec in _containers(pod):
        if reason := _of_container(cluster, name, status, spec, section):
            return reason
    told = _events(cluster, name)
    pending = (pod.get("status") or {}).get("phase") == "Pending"
    how = "is starting" if pending else "runs but is not ready"
    return f"pod {name} {how}" + (f": {told}" if told else "")


def _of_container(
    cluster: Cluster, pod: str, status: Manifest, spec: Manifest, section: str
) -> str | None:
    place = f"container {status['name']} of pod {pod}"
    state: dict[str, Any] = status.get("state") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in _PULLING:
        image = status.get("image") or spec.get("image")
        return f"the image {image} of pod {pod} cannot be had: {waiting.get('message', '')}"
    before = (status.get("lastState") or {}).get("terminated") or {}
    ended = state.get("terminated") or before
    if not ended or ended.get("exitCode") == 0:
        if waiting.get("reason") in (None, "ContainerCreating", "PodInitializing"):
            return None
        return f"{place} waits: {waiting['reason']} {waiting.get('message', '')}".rstrip()
    if ended.get("reason") == "OOMKilled":
        limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory", "its limit")
        return f"{place} ran out of memory ({limit}); give {section}.memory more"
    again = status.get("restartCount", 0)
    text = cluster.log(pod, status["name"], _LINES, previous="terminated" not in state).strip()
    told = f"; its last lines:\n{text}" if text else f": {ended.get('message', '')}".rstrip(": ")
    return f"{place} ended with code {ended.get('exitCode')}, {again} restarts{told}"


def _events(cluster: Cluster, name: str) -> str:
    events = cluster.list("Event", field_selector=f"involvedObject.name={name}")
    warnings = [event for event in events if event.get("type") == "Warning"]
    return str(warnings[-1].get("message", "")) if warnings else ""


def _no_pods(cluster: Cluster, service: str, version: str) -> str:
    workload = name_workload(service, version)
    deployment = cluster.get("Deployment", workload)
    for condition in ((deployment or {}).get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"no pod was made: {condition.get('message', '')}"
    told = _events(cluster, service)
    found = cluster.get("InferenceService", service) or {}
    for condition in (found.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready" and condition["status"] != "True":
            told = told or condition.get("message") or condition.get("reason") or ""
    return "KServe made no pod for it" + (f": {told}" if told else "; is it running?")
