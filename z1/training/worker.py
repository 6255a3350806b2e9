"""One process of a training that several share: python -m z1.training.worker JOB OUTPUT EVENTS.

All read the job's folder, and each holds a part of the model. The first one alone writes: to the
folder OUTPUT the checkpoints and the finished model, and to the file EVENTS, a line each, how far
it is, which checkpoints are whole, and at the end what came of it.
"""

import json
import os
import sys
import threading
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import PartialState
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.elastic.multiprocessing.errors import record

from z1.training.job import read_job
from z1.training.trainers import fill_model, save_model, train

_SHARDED = "ACCELERATE_USE_FSDP"
_ENVIRONMENT = {
    _SHARDED: "true",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",  # which the processes exchange over gloo
}
_PATIENCE = timedelta(hours=2)  # with the first process, while it writes a large checkpoint


@record
def main() -> None:
    """Train with the other processes."""
    folder, output, events = map(Path, sys.argv[1:])
    threading.Thread(target=_end_when_alone, daemon=True).start()
    if int(os.environ["WORLD_SIZE"]) > 1:
        # Said before the model is loaded: one process reads it, and no device has to hold all.
        os.environ |= _ENVIRONMENT
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    job = read_job(folder)

    def tell(**event: object) -> None:
        if state.is_main_process:
            with events.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")

    trained = train(
        job,
        job.load(place=False),
        output,
        lambda done, total: tell(done=done, total=total),
        lambda checkpoint: tell(kept=str(checkpoint)),
    )
    whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(trained.pop("model"), options=whole)
    if state.is_main_process:
        os.environ[_SHARDED] = "false"
        save_model(fill_model(job, weights), job.tokenizer, output, job.efforts)
        tell(trained=trained)
    state.destroy_process_group()


def _end_when_alone() -> None:
    """End as soon as what has started the processes is gone; it holds the other end of this."""
    os.read(0, 1)  # not through sys.stdin, whose lock would be held while Python ends
    os._exit(1)


if __name__ == "__main__":
    main()
