"""Training on several nodes of a cluster, by a Kubeflow TrainJob that this step looks after.

The job goes to S3, under the recipe's ``checkpoints`` and the step's key. The nodes fetch it from
there, and there the first of them keeps its checkpoints and brings the model. The TrainJob's name
is made of the key too: a step that is started again finds the one that runs and watches that.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from z1.errors import InputError
from z1.nodes.node import JOB, MODEL, TRAINED
from z1.nodes.trainjob import make_trainjob
from z1.nodes.watching import find_cluster, follow
from z1.recipe import Recipe
from z1.training.job import Job, write_job
from z1.versioning.mirror import Mirror
from z1.versioning.s3 import download, find, upload


def train_on_nodes(
    recipe: Recipe,
    key: str,
    step: str,
    folder: Path,
    report: Callable[[int, int], None],
    job: Job,
) -> dict[str, Any]:
    """Train a job on several nodes and bring the model to a folder; return ``steps`` and ``loss``.

    Raises InputError if the recipe or the cluster lacks what it takes, RunError if it fails.
    """
    if recipe.checkpoints is None:
        raise InputError(
            f"{step}: a training on {job.training.nodes} nodes needs 'checkpoints' in the recipe, "
            "an address in S3 through which the nodes get the job and bring the model"
        )
    parent, name = recipe.checkpoints.rstrip("/"), f"{key}.nodes"
    address, arrived = f"{parent}/{name}", folder / ".arrived"
    if find(f"{address}/{MODEL}") is None:  # or an earlier attempt was cut off at the very end
        cluster = find_cluster(recipe.train.node)
        with tempfile.TemporaryDirectory() as place:
            write_job(job, Path(place), carry=True)
            upload(Path(place), f"{address}/{JOB}")
        follow(cluster, make_trainjob(step, key, address, job.training, recipe.train.node), report)
    shutil.rmtree(arrived, ignore_errors=True)
    download(f"{address}/{MODEL}", arrived)
    for path in arrived.iterdir():
        path.replace(folder / path.name)
    arrived.rmdir()
    trained = folder / TRAINED
    details: dict[str, Any] = json.loads(trained.read_text(encoding="utf-8"))
    trained.unlink()
    with Mirror(parent, name, step, folder) as mirror:
        mirror.remove()
    return details
