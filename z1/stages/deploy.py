"""Stage: serve a published model on KServe in the place of the version in service.

Input: ``published``, the output of the publish stage. The cluster is that of the pod it runs in,
or of the kubeconfig; the service's key comes from OPENAI_API_KEY.
"""

import json

from z1.recipe import Deployment
from z1.records import write_bytes
from z1.serving.cluster import Cluster, connect
from z1.serving.published import read_published
from z1.serving.rollout import deploy
from z1.stages import Metrics, Work

USES = ("method", "publish", "window")
RECORD = "deployment.json"


def run(work: Work) -> Metrics:
    """Deploy, and write what came of it.

    Raises RolloutError if the version is not served; InputError if it, the service or the cluster
    is not as it has to be.
    """
    section: Deployment = work.section
    step = work.recipe.publish.model or work.recipe.method  # a method's model is that of its step
    published = read_published(work.inputs["published"], step)
    cluster = Cluster(connect(), section.namespace)
    done = deploy(cluster, published, section, work.recipe.window, print)
    record = done._asdict() | {"answers": [answer._asdict() for answer in done.answers]}
    write_bytes(work.output / RECORD, json.dumps(record, indent=1).encode() + b"\n")
    return Metrics(kept=1, dropped={}, details=record, unit="versions")
