"""What a served model is in Kubernetes: plain objects for KServe 0.20 in Standard mode.

The ServingRuntime has the digest of its content in its name and so never changes: a new version
brings a new one, and the pods of the version in service are left alone. A canary is what becomes
the predictor when it is promoted, field by field, so that KServe keeps its pods.
"""

import hashlib
import json
import math
from typing import Any, NamedTuple

from z1.errors import InputError
from z1.recipe import Deployment, ThinkingWindow
from z1.records import EFFORTS
from z1.serving.published import Published

Manifest = dict[str, Any]

MANAGER = "z1"
RELEASE = "z1/release"
"""Annotation that KServe hands on to a release's pods, by which they are known."""
PORT = 8080  # KServe's; the container's
_MODEL = "/mnt/models"  # where KServe's storage initializer puts the model
_SCRATCH = "/tmp"
_API_KEY = "api-key"  # key in the Secret
_START = 300.0  # seconds that vLLM takes besides reading weights: compiling, capturing graphs
_READ = 100e6  # bytes of weights read in a second, of a slow disk
_UNKNOWN = 1800.0  # seconds to load a model of unknown size
_PERIOD = 10  # seconds between startup probes
_UNSCALED = ("maxReplicas", "autoScaling")  # not for canaries: KServe refuses them there


class Release(NamedTuple):
    """A version as it is, was or will be served."""

    version: str
    predictor: Manifest
    test: Manifest | None = None
    """What it has to answer, as ``smoke.describe`` says it; None in records of before there was."""


class Canary(NamedTuple):
    """A version on trial."""

    release: Release
    percent: int
    """Its share of the requests."""


def find_service(section: Deployment, published: Published) -> str:
    """Return the service's name. Raises InputError if the model's is none for a service."""
    name = section.service or published.name
    try:
        Deployment(service=name)
    except ValueError as error:
        raise InputError(
            f"{name!r} cannot be the name of a service: lower-case letters, digits and '-', 40 at "
            "most; give one under deploy.service"
        ) from error
    return name


def make_runtime(
    section: Deployment, window: ThinkingWindow, service: str, size: int | None
) -> Manifest:
    """Return the ServingRuntime: how the image serves a model of so many bytes."""
    loading = (section.load_minutes or 0) * 60.0 or (_START + size / _READ if size else _UNKNOWN)
    pool = section.pool
    variables = {
        "HOME": _SCRATCH,
        "XDG_CACHE_HOME": f"{_SCRATCH}/cache",
        # The model is there; in a closed network each look elsewhere would only take time.
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    key = {"secretKeyRef": {"name": section.api_key_secret, "key": _API_KEY}}
    container = {
        "name": "kserve-container",
        "image": section.image,
        "command": ["z1", "serve"],
        "args": _arguments(section, window, service),
        "env": [
            *({"name": name, "value": value} for name, value in variables.items()),
            {"name": "VLLM_API_KEY", "valueFrom": key},
        ],
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        # Until the startup probe has passed the others wait, so a long load is no failure.
        "startupProbe": _probe(_PERIOD, max(math.ceil(loading / _PERIOD), 1)),
        "readinessProbe": _probe(5, 3),
        "livenessProbe": _probe(_PERIOD, 6),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": _SCRATCH},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
    }
    spec = {
        "supportedModelFormats": [{"name": "huggingface", "version": "1", "autoSelect": False}],
        "protocolVersions": ["v1", "v2"],
        "containers": [container],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {
                "name": "shared-memory",
                "emptyDir": {"medium": "Memory", "sizeLimit": pool.shared_memory},
            },
        ],
        "nodeSelector": dict(pool.node_selector),
        "tolerations": [taint.model_dump(exclude_none=True) for taint in pool.tolerations],
    }
    name = f"{service}-{digest(spec)[:8]}"
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": name, "labels": labels(service)},
        "spec": {field: value for field, value in spec.items() if value},
    }


def make_release(
    section: Deployment,
    published: Published,
    service: str,
    runtime: Manifest,
    test: Manifest | None = None,
) -> Release:
    """Return a version as it will be served, once it has passed a test."""
    pool = section.pool
    resources = {"cpu": pool.cpu, "memory": pool.memory}
    if pool.accelerators:
        resources[pool.accelerator] = str(pool.accelerators)
    predictor: Manifest = {
        "name": published.version,
        "labels": {**labels(service), "app.kubernetes.io/version": published.version},
        "annotations": {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(PORT),
            "prometheus.io/path": "/metrics",
        },
        "minReplicas": section.min_replicas,
        "maxReplicas": section.max_replicas if section.prometheus else section.min_replicas,
        # The pods of before go when those of now are ready.
        "deploymentStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "serviceAccountName": section.service_account,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "model": {
            "modelFormat": {"name": "huggingface"},
            "runtime": runtime["metadata"]["name"],
            "storageUri": published.address,
            "resources": {"requests": dict(resources), "limits": dict(resources)},
        },
    }
    if section.priority_class:
        predictor["priorityClassName"] = section.priority_class
    if section.prometheus:
        predictor["autoScaling"] = {"metrics": [_running(section, service)]}
    predictor["annotations"][RELEASE] = digest(predictor)[:16]
    return Release(published.version, predictor, test)


def make_service(service: str, release: Release, canary: Canary | None) -> Manifest:
    """Return the InferenceService that serves a release, with another on trial beside it.

    Its own labels and annotations stay as they are from version to version: KServe hands them on to
    the pods, which a change of one starts anew.
    """
    scaled = "autoScaling" in release.predictor
    spec: Manifest = {"predictor": release.predictor}
    if canary:
        spec["canary"] = [
            {"trafficPercent": canary.percent, "predictor": _on_trial(canary, release)}
        ]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": service,
            "labels": labels(service),
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "keda" if scaled else "none",
            },
        },
        "spec": spec,
    }


def make_budget(service: str) -> Manifest:
    """Return the PodDisruptionBudget: a drained node takes one pod at a time.

    It says how many may be gone, not how many must stay, which with a single pod could never be.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service, "labels": labels(service)},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"serving.kserve.io/inferenceservice": service}},
        },
    }


def name_workload(service: str, version: str) -> str:
    """Return KServe's name of the Deployment and Service of a version."""
    return f"{service}-{version}-predictor"


def select_pods(service: str, version: str) -> str:
    """Return the label selector of a version's pods."""
    return f"serving.kserve.io/inferenceservice={service},app.kubernetes.io/version={version}"


def labels(service: str) -> dict[str, str]:
    """Return the labels of all that belongs to a service."""
    return {
        "app.kubernetes.io/name": "z1-serving",
        "app.kubernetes.io/instance": service,
        "app.kubernetes.io/managed-by": MANAGER,
    }


def digest(content: Any) -> str:
    """Return a digest of JSON values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _arguments(section: Deployment, window: ThinkingWindow, service: str) -> list[str]:
    if "{{" in window.hint:
        raise InputError("window.hint: KServe takes '{{' in it for a template of its own")
    arguments = [_MODEL, "--port", str(PORT), "--hint", window.hint]
    arguments += ["--reserve", str(window.reserve)]
    for effort in EFFORTS:
        arguments += [f"--budget-{effort}", str(getattr(section.budgets, effort))]
    arguments += ["--", "--served-model-name", service]
    if section.pool.accelerators > 1:
        arguments += ["--tensor-parallel-size", str(section.pool.accelerators)]
    # Kubernetes puts a variable's value in the place of $(NAME); $$( stands for itself.
    return [argument.replace("$(", "$$(") for argument in [*arguments, *section.arguments]]


def _probe(period: int, failures: int) -> Manifest:
    # Only /v1 asks for the API key.
    return {
        "httpGet": {"path": "/health", "port": PORT},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    }


def _running(section: Deployment, service: str) -> Manifest:
    """Return the metric that KEDA scales by: requests running or waiting, for each pod."""
    chosen = f'{{namespace="{section.namespace}",model_name="{service}"}}'
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
    query = " + ".join(f"sum({name}{chosen})" for name in names)
    return {
        "type": "External",
        "external": {
            "metric": {
                "backend": "prometheus",
                "serverAddress": section.prometheus,
                "query": query,
            },
            # KServe hands KEDA this one as the threshold, which KEDA takes for each pod.
            "target": {"type": "Value", "value": str(section.requests_per_replica)},
        },
    }


def _on_trial(canary: Canary, release: Release) -> Manifest:
    predictor = canary.release.predictor
    kept = {field: value for field, value in predictor.items() if field not in _UNSCALED}
    pods = max(predictor["minReplicas"], release.predictor["minReplicas"])
    return {
        **kept,
        # Without a number KServe gives a canary without requests no pod to try.
        "minReplicas": max(math.ceil(pods * canary.percent / 100), 1),
        # KServe's definition asks for this name in canaries alone; its webhook lets none be given.
        "model": {**predictor["model"], "name": ""},
    }
