"""Talking to a Kubernetes API server: get, server-side apply, watch; waiting for one that is gone.

An object that is as wanted is not sent again. All requests can be made twice, and are, while the
server is gone or busy.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
import yaml
from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException

from z1.errors import InputError, RolloutError
from z1.serving.comparing import is_as_wanted
from z1.serving.manifests import MANAGER, Manifest

PATIENCE = 120.0  # seconds for which the server may be gone
LOOK = 10.0  # seconds after which a watched object is looked at without a change
_LONGEST_PAUSE = 10.0
_SHORT = 0.5  # of an outage that nobody needs to be told of
_TIMEOUT = (10, 60)  # seconds to connect and to answer
_BUSY = {429, 500, 502, 503, 504}


class UnreachableError(RolloutError):
    """The API server is gone or ill for longer than PATIENCE."""


class _Kind(NamedTuple):
    group: str
    version: str
    plural: str


KINDS = {
    "InferenceService": _Kind("serving.kserve.io", "v1beta1", "inferenceservices"),
    "ServingRuntime": _Kind("serving.kserve.io", "v1alpha1", "servingruntimes"),
    "PodDisruptionBudget": _Kind("policy", "v1", "poddisruptionbudgets"),
    "ConfigMap": _Kind("", "v1", "configmaps"),
    "Deployment": _Kind("apps", "v1", "deployments"),
    "Event": _Kind("", "v1", "events"),
    "Lease": _Kind("coordination.k8s.io", "v1", "leases"),
    "Pod": _Kind("", "v1", "pods"),
    "Service": _Kind("", "v1", "services"),
    "TrainJob": _Kind("trainer.kubeflow.org", "v1alpha1", "trainjobs"),
}


def connect(
    kubeconfig: Path | None = None, context: str | None = None, server: str | None = None
) -> client.ApiClient:
    """Return a client of a cluster: by its URL, a kubeconfig, or from within one of its pods.

    Raises InputError if there is no such configuration.
    """
    try:
        if server:
            settings = client.Configuration(host=server.rstrip("/"))
        elif kubeconfig is None and context is None and _in_pod():
            settings = client.Configuration()
            config.load_incluster_config(client_configuration=settings)
        else:
            settings = client.Configuration()
            config.load_kube_config(
                str(kubeconfig) if kubeconfig else None, context, client_configuration=settings
            )
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(
            f"no way to a cluster: {error}; give --kubeconfig, --context or --server"
        ) from error
    settings.retries = False  # here, with a pause
    return client.ApiClient(settings)


def _in_pod() -> bool:
    return Path("/var/run/secrets/kubernetes.io/serviceaccount/token").is_file()


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.guard: Callable[[], None] | None = None
        """Called before each change by ``apply`` and ``delete``; raises if there may be none."""

    def get(self, kind: str, name: str, patience: float | None = None) -> Manifest | None:
        """Return an object, or nothing if there is none. Raises as ``_ask`` does."""
        path = self._path(kind, name)
        try:
            found: Manifest = self._ask("GET", path, name=f"{kind} {name}", patience=patience)
        except _GoneError:
            return None
        return found

    def list(self, kind: str, **selectors: str) -> list[Manifest]:
        """Return the objects that ``label_selector`` or ``field_selector`` choose."""
        words = {"label_selector": "labelSelector", "field_selector": "fieldSelector"}
        query = {words[name]: value for name, value in selectors.items()}
        try:
            found = self._ask("GET", self._path(kind), query, name=f"{kind}s")
        except _GoneError:
            return []
        items: list[Manifest] = found["items"]
        return items

    def apply(self, manifest: Manifest, force: bool = False) -> bool:
        """Make an object be as said, server-side; tell whether anything was to be done.

        ``force`` takes fields from other managers. Raises InputError where another manager has a
        field, or the object is refused; otherwise as ``_ask`` does.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if self.matches(manifest):
            return False
        if self.guard:
            self.guard()
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
        try:
            self._ask("PATCH", self._path(kind, name), query, manifest, name=f"{kind} {name}")
        except _GoneError as error:
            raise InputError(
                f"{kind} {name}: {error}; has the cluster KServe 0.20 and the namespace "
                f"{self.namespace}?"
            ) from error
        return True

    def matches(self, manifest: Manifest) -> bool:
        """Tell whether an object is there and as said, so that applying it would do nothing."""
        live = self.get(manifest["kind"], manifest["metadata"]["name"])
        return live is not None and is_as_wanted(live, manifest)

    def write(self, manifest: Manifest, patience: float | None = None) -> bool:
        """Write an object whole, and tell whether it was as thought.

        With a resourceVersion it was thought to have that one, without to be missing.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        known = "resourceVersion" in manifest["metadata"]
        path = self._path(kind, name if known else "")
        method = "PUT" if known else "POST"
        try:
            self._ask(method, path, {}, manifest, f"{kind} {name}", patience)
        except _OtherwiseError:
            return False
        except _GoneError as error:
            if known:
                return False
            raise InputError(
                f"{kind} {name}: {error}; is there a namespace {self.namespace}?"
            ) from error
        return True

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, if it is there."""
        if self.guard:
            self.guard()
        try:
            self._ask("DELETE", self._path(kind, name), name=f"{kind} {name}")
        except _GoneError:
            return

    def log(self, pod: str, container: str, lines: int, previous: bool) -> str:
        """Return the end of a container's log, or nothing where there is none."""
        core = client.CoreV1Api(self.api)
        try:
            text: str = core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=container,
                tail_lines=lines,
                previous=previous,
                _request_timeout=_TIMEOUT,
            )
        except (ApiException, urllib3.exceptions.HTTPError):
            return ""
        return text

    def look(self, kind: str, name: str, seconds: float) -> Iterator[Manifest | None]:
        """Yield an object as it is, after each change, and now and then, until time is up."""
        end = time.monotonic() + seconds
        while True:
            found = self.get(kind, name)
            yield found
            left = end - time.monotonic()
            if left <= 0:
                return
            version = found["metadata"]["resourceVersion"] if found else None
            yield from self._changes(kind, name, version, min(left, LOOK))

    def _changes(
        self, kind: str, name: str, version: str | None, seconds: float
    ) -> Iterator[Manifest]:
        group, api_version, plural = KINDS[kind]
        end = time.monotonic() + seconds
        try:
            for event in watch.Watch().stream(
                client.CustomObjectsApi(self.api).list_namespaced_custom_object,
                group,
                api_version,
                self.namespace,
                plural,
                field_selector=f"metadata.name={name}",
                resource_version=version,
                timeout_seconds=max(int(seconds), 1),
                _request_timeout=(_TIMEOUT[0], seconds + _TIMEOUT[0]),
            ):
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]
                if event["type"] == "DELETED" or time.monotonic() > end:
                    return
        except (ApiException, urllib3.exceptions.HTTPError, ValueError):
            time.sleep(min(1.0, seconds))  # too old a version, or cut off: look anew

    def _path(self, kind: str, name: str = "") -> str:
        group, version, plural = KINDS[kind]
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        path = f"{root}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = {},
        body: Manifest | None = None,
        name: str = "",
        patience: float | None = None,
    ) -> Any:
        """Send a request and return the answer, waiting for a server that is gone or busy.

        Raises InputError if it refuses, UnreachableError if it stays gone for ``patience`` seconds,
        or PATIENCE.
        """
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        started = time.monotonic()
        pause, told = 0.25, False
        while True:
            try:
                return self.api.call_api(
                    path,
                    method,
                    query_params=list(query.items()),
                    header_params={"Accept": "application/json", "Content-Type": kind},
                    body=body,
                    auth_settings=["BearerToken"],
                    response_type="object",
                    _return_http_data_only=True,
                    _request_timeout=_TIMEOUT,
                )
            except ApiException as error:
                if not _may_pass(error):
                    raise _explain(error, name, method) from error
                problem = f"{error.status} {_status(error).get('message') or error.reason}"
            except (urllib3.exceptions.HTTPError, OSError) as error:
                problem = str(error)
            gone = time.monotonic() - started
            if gone >= (PATIENCE if patience is None else patience):
                raise UnreachableError(
                    f"the API server {self.api.configuration.host} cannot be reached or does not "
                    f"work ({problem})"
                )
            if gone > _SHORT and not told:
                told = True
                print(
                    f"waiting for the API server {self.api.configuration.host} ({problem})",
                    file=sys.stderr,
                    flush=True,
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class _GoneError(Exception):
    """There is no such object, or no such kind of object."""


class _OtherwiseError(Exception):
    """The object is not as it was thought to be."""


def _status(error: ApiException) -> dict[str, Any]:
    """Return the Status object that the server sent, or an empty one."""
    try:
        status = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _may_pass(error: ApiException) -> bool:
    # A patch that the schema does not know is an internal error to the server.
    typed = "failed to create typed patch" in str(_status(error).get("message"))
    return error.status in _BUSY and not typed


def _explain(error: ApiException, name: str, method: str) -> Exception:
    status = _status(error)
    message = status.get("message") or error.reason
    causes = (status.get("details") or {}).get("causes") or []
    if error.status == 404:
        return _GoneError(message)
    if error.status == 409 and method in ("POST", "PUT"):
        return _OtherwiseError(message)
    if error.status in (401, 403) and "admission webhook" not in message:
        return InputError(
            f"{name}: the API server refuses access: {message}. Check the credentials and what "
            "the account may do"
        )
    if error.status == 409:
        fields = "; ".join(f"{cause['field']}: {cause['message']}" for cause in causes)
        return InputError(
            f"{name}: others have changed fields that are z1's ({fields or message}). Undo that, "
            "or put it into the recipe and have them give the fields up"
        )
    if error.status in (400, 403, 422, 500):
        return InputError(f"{name}: the API server refuses it: {message}")
    return InputError(f"{name}: {method} failed: {error.status} {message}")
