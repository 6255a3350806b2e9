"""The TrainJob of a training on several nodes, over the TrainingRuntime ``z1-train``."""

import re

from z1.errors import InputError
from z1.recipe import Training, TrainingNode
from z1.serving.manifests import MANAGER, Manifest

RUNTIME = "z1-train"
CONTAINER = "node"  # of the runtime's pods; its jobs are called the same


def make_trainjob(
    step: str, key: str, address: str, training: Training, node: TrainingNode | None
) -> Manifest:
    """Return the TrainJob of a step. Raises InputError if its processes cannot share the batch."""
    node = node or TrainingNode()
    each = training.processes or max(node.accelerators, 1)
    try:
        training.share_of(training.nodes * each)
    except ValueError as error:
        raise InputError(str(error)) from error
    resources = {"cpu": node.cpu, "memory": node.memory}
    if node.accelerators:
        resources[node.accelerator] = str(node.accelerators)
    trainer: Manifest = {
        "command": ["python", "-m", "z1.nodes.node"],
        "args": [address, step],
        "env": [
            {"name": "Z1_PROGRESS", "value": "lines"},
            {
                "name": "HF_TOKEN",
                "valueFrom": {
                    "secretKeyRef": {"name": "z1-hub", "key": "HF_TOKEN", "optional": True}
                },
            },
        ],
        "numNodes": training.nodes,
        "numProcPerNode": each,
        "resourcesPerNode": {"requests": dict(resources), "limits": dict(resources)},
    }
    if node.image:
        trainer["image"] = node.image
    pods: Manifest = {}
    if node.node_selector:
        pods["nodeSelector"] = node.node_selector
    if node.tolerations:
        pods["tolerations"] = [
            toleration.model_dump(exclude_none=True) for toleration in node.tolerations
        ]
    spec: Manifest = {
        "runtimeRef": {
            "apiGroup": "trainer.kubeflow.org",
            "kind": "TrainingRuntime",
            "name": RUNTIME,
        },
        "trainer": trainer,
    }
    if pods:
        replicated = {"name": CONTAINER, "template": {"spec": {"template": {"spec": pods}}}}
        template = {"template": {"spec": {"replicatedJobs": [replicated]}}}
        spec["runtimePatches"] = [{"manager": MANAGER, "trainingRuntimeSpec": template}]
    words = re.sub(r"[^a-z0-9]+", "-", step.lower()).strip("-")[:20]
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": f"z1-{words}-{key[:12]}",
            "labels": {"app.kubernetes.io/managed-by": MANAGER},
        },
        "spec": spec,
    }
