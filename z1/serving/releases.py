"""Which version a service serves, and which it served before.

The ConfigMap SERVICE-releases says so: ``served`` is the version that has passed every check, and
``history`` are those before it, the newest first. Each has its whole predictor, so that it can be
put back without the recipe of then. A process that is killed leaves the InferenceService with
whatever it was at, and the next one knows. (Annotations of the InferenceService would not do:
KServe hands them on to the pods, which a change of any of them starts anew.)
"""

import json
from typing import NamedTuple

from z1.errors import InputError
from z1.serving.cluster import Cluster
from z1.serving.manifests import MANAGER, Canary, Manifest, Release, labels, make_service

_KEPT = 5  # earlier versions that can be gone back to
_LEAVING = 60.0  # seconds that a service may take to be gone


class State(NamedTuple):
    """What is known of a service."""

    live: Manifest | None
    """The InferenceService as it is; None if there is none."""
    served: Release | None
    """The version that has passed every check; None before the first has."""
    history: tuple[Release, ...]
    """Those before, the newest first."""

    @property
    def canary(self) -> Canary | None:
        """The version on trial."""
        trials = (self.live or {}).get("spec", {}).get("canary") or []
        if not trials:
            return None
        predictor = trials[0]["predictor"]
        return Canary(Release(predictor["name"], predictor), trials[0]["trafficPercent"])

    @property
    def version(self) -> str:
        """The version of the predictor as it is, checked or not."""
        return str((self.live or {}).get("spec", {}).get("predictor", {}).get("name", ""))

    @property
    def settled(self) -> bool:
        """Whether the service serves what has passed every check, and nothing is on trial."""
        return self.served is not None and not self.canary and self.version == self.served.version


def read_state(cluster: Cluster, service: str) -> State:
    """Return what is known of a service. Raises InputError for one that z1 has not made."""
    live = cluster.get("InferenceService", service)
    if live is not None:
        manager = live["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by")
        if manager != MANAGER:
            raise InputError(
                f"InferenceService {service} in {cluster.namespace} was not made by z1; give "
                "another name under deploy.service"
            )
    name = _name(service)
    record = cluster.get("ConfigMap", name)
    if record is None:
        # A first deployment writes one before anything else, so this one is lost: what is there
        # is the best that is known.
        predictor = (live or {}).get("spec", {}).get("predictor")
        return State(live, Release(predictor["name"], predictor) if predictor else None, ())
    try:
        served = [Release(*pair) for pair in json.loads(record["data"]["served"])]
        history = [Release(*pair) for pair in json.loads(record["data"]["history"])]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"ConfigMap {name}: not as z1 wrote it ({error!r}); restore it, or remove it, and z1 "
            "takes what is there for the version that was checked"
        ) from error
    return State(live, served[0] if served else None, tuple(history))


def record(cluster: Cluster, service: str, state: State) -> None:
    """Write down which version is served and which were before."""
    served = [state.served] if state.served else []
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _name(service), "labels": labels(service)},
        "data": {"served": json.dumps(served), "history": json.dumps(state.history)},
    }
    cluster.apply(manifest)


def write(
    cluster: Cluster,
    service: str,
    release: Release,
    canary: Canary | None = None,
    force: bool = False,
) -> bool:
    """Make a service be a release with another on trial; tell whether that was to be done."""
    return cluster.apply(make_service(service, release, canary), force)


def accept(state: State, release: Release) -> State:
    """Return the state after a release has passed every check."""
    before = [state.served] if state.served and state.served.version != release.version else []
    known = [*before, *state.history]
    history = [earlier for earlier in known if earlier.version != release.version]
    return State(state.live, release, tuple(history[:_KEPT]))


def remove(cluster: Cluster, service: str, runtime: str) -> None:
    """Remove a service and all that belongs to it."""
    cluster.delete("InferenceService", service)
    for live in cluster.look("InferenceService", service, _LEAVING):
        if live is None:  # KServe has taken its parts away
            break
    cluster.delete("PodDisruptionBudget", service)
    cluster.delete("ServingRuntime", runtime)
    cluster.delete("ConfigMap", _name(service))


def drop_runtimes(cluster: Cluster, service: str, state: State) -> None:
    """Delete the service's ServingRuntimes that no version served or kept needs."""
    needed = {
        release.predictor["model"]["runtime"]
        for release in (state.served, *state.history)
        if release is not None
    }
    selector = ",".join(f"{name}={value}" for name, value in labels(service).items())
    for runtime in cluster.list("ServingRuntime", label_selector=selector):
        if runtime["metadata"]["name"] not in needed:
            cluster.delete("ServingRuntime", runtime["metadata"]["name"])


def _name(service: str) -> str:
    return f"{service}-releases"
