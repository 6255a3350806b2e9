"""What a cluster says of a service: whether a version of it is ready, and where it is."""

from typing import Any

from z1.serving.cluster import Cluster
from z1.serving.manifests import PORT, RELEASE, Manifest, Release, name_workload


def is_ready(live: Manifest, version: str, percent: int | None) -> bool:
    """Tell whether KServe says that a version is ready, as the canary with a share or by itself.

    Its observedGeneration would not tell whether that is the newest word: in KServe 0.20 it is the
    Deployment's (kserve/kserve issue 6081). The list of canaries does.
    """
    status: dict[str, Any] = live.get("status") or {}
    trials = status.get("canaryStatuses") or []
    if percent is None:
        ready = [c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"]
        return ready == ["True"] and not trials and live["spec"]["predictor"]["name"] == version
    return any(
        trial["name"] == version and trial["ready"] and trial["trafficPercent"] == percent
        for trial in trials
    )


def is_rolled_out(live: Manifest, deployment: Manifest | None, release: Release) -> bool:
    """Tell whether all pods of a release's Deployment are its own, and available.

    KServe calls a service ready as long as any pods are, those of the settings before too. Where
    the Deployment is not to be had or does not say whose its pods are, KServe's word has to do, if
    it is on the newest generation.
    """
    told = (live.get("status") or {}).get("observedGeneration") or 0
    trusted = bool(told >= live["metadata"]["generation"])
    if deployment is None:
        return trusted
    spec, status = deployment["spec"], deployment.get("status") or {}
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    if not observed or counts != [spec.get("replicas", 1)] * 3:
        return False
    found = (spec["template"]["metadata"].get("annotations") or {}).get(RELEASE)
    wanted = (release.predictor.get("annotations") or {}).get(RELEASE)
    return bool(found == wanted) if found else trusted


def find_trial_url(cluster: Cluster, service: str, version: str, url: str | None) -> str:
    """Return where a version's own pods are: at ``url``, or within the cluster."""
    name = name_workload(service, version)
    return _fill(url, name) if url else _inside(cluster, name)


def find_url(cluster: Cluster, service: str, url: str | None) -> str:
    """Return where a service is: at ``url``, or where KServe says."""
    if url:
        return _fill(url, service)
    status = (cluster.get("InferenceService", service) or {}).get("status") or {}
    return str((status.get("address") or {}).get("url") or status.get("url") or "")


def _fill(url: str, name: str) -> str:
    return url.replace("{service}", name)


def _inside(cluster: Cluster, name: str) -> str:
    """Return the address of a Kubernetes service within the cluster.

    One without an address of its own leads to the pods, at their port.
    """
    spec: dict[str, Any] = (cluster.get("Service", name) or {}).get("spec") or {}
    headless = spec.get("clusterIP") == "None" or not spec.get("ports")
    port = PORT if headless else spec["ports"][0]["port"]
    return f"http://{name}.{cluster.namespace}.svc.cluster.local:{port}"
