"""What a node of a TrainJob runs: python -m z1.nodes.node ADDRESS STEP.

The job, and the newest checkpoint if an earlier attempt left one, come from ADDRESS in S3. The
first node sends its checkpoints and at the end the model there. Kubeflow Trainer says in the
environment which node this is, in the variables that torchrun reads.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from z1 import progress
from z1.errors import InputError, RunError
from z1.training.job import read_job
from z1.training.launch import Place, count_processes, share
from z1.versioning.mirror import Mirror
from z1.versioning.s3 import find, upload

JOB, MODEL = "job", "model"
TRAINED = "trained.json"  # file beside the model, with what came of the training
_OUTPUT = "output"


def main() -> None:
    """Take part in a training. Ends with code 2 where what is given is wrong, 1 where it fails."""
    address, step = sys.argv[1:]
    progress.spare_logs()
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(address, step, Path(folder))
    except (InputError, RunError) as error:
        print(f"error: {error}", flush=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


def run(address: str, step: str, folder: Path) -> None:
    """Train with the other nodes, unless an earlier attempt has ended with a model."""
    if find(f"{address}/{MODEL}"):
        return
    count, number, port = (
        int(os.environ[f"PET_{name}"]) for name in ("NNODES", "NODE_RANK", "MASTER_PORT")
    )
    place = Place(count, number, os.environ["PET_MASTER_ADDR"], port)
    first = number == 0
    parent, _, name = address.rpartition("/")
    output = folder / _OUTPUT
    output.mkdir()
    with Mirror(parent, name, step, folder) as mirror:
        mirror.restore()
        trained = share(
            folder,
            output,
            place,
            count_processes(read_job(folder / JOB).training),
            lambda done, total: progress.report(step, done, total),
            mirror.keep if first else lambda checkpoint: None,
        )
        if first:
            (output / TRAINED).write_text(json.dumps(trained), encoding="utf-8")
            upload(output, f"{address}/{MODEL}")


if __name__ == "__main__":
    main()
