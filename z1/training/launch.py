"""Starting a training: in this process, or in one for each GPU, which divide the model by FSDP."""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from z1.errors import InputError, RunError
from z1.recipe import Training
from z1.training.job import Job, Keep, Report, write_job

_SHARED = ".shared"  # folder in the output, while its processes are at work
WORKER = ("-m", "z1.training.worker")
_LINES = 20  # of the log of a process that failed
_EVERY = 0.2  # seconds between looks at how far the processes are


class Place(NamedTuple):
    """Where in a training of several nodes this one is."""

    nodes: int = 1
    number: int = 0
    address: str = "localhost"
    """Of the first node."""
    port: int = 0
    """On the first node; 0 where it is the only one, and takes any."""


def run_job(
    job: Job, output: Path, report: Report, keep: Keep, on_nodes: Callable[[Job], dict[str, Any]]
) -> dict[str, Any]:
    """Train and write the model to a folder; return ``steps`` and ``loss``.

    ``on_nodes`` does so where the recipe wants several nodes. Raises InputError if it asks for what
    this node has not, RunError if a process fails.
    """
    if job.training.nodes > 1:
        return on_nodes(job)
    count = count_processes(job.training)
    if count == 1 and torch.cuda.device_count() < 2:  # with several, the Trainer would use them all
        # Not imported where other processes train, since it takes seconds.
        from z1.training.trainers import save_model, train

        trained = train(job, job.load(), output, report, keep)
        save_model(trained.pop("model"), job.tokenizer, output, job.efforts)
        return trained
    folder = output / _SHARED
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "job").mkdir(parents=True)
    write_job(job, folder / "job")
    try:
        return share(folder, output, Place(), count, report, keep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def count_processes(training: Training) -> int:
    """Return how many processes a node has. Raises InputError if they cannot share the batch."""
    devices = torch.cuda.device_count()
    count = training.processes or max(devices, 1)
    if devices and count > devices:
        raise InputError(
            f"processes: {count}, but this node has {devices} GPUs; each process needs its own"
        )
    try:
        training.share_of(count * training.nodes)
    except ValueError as error:
        raise InputError(str(error)) from error
    return count


def share(
    folder: Path, output: Path, place: Place, count: int, report: Report, keep: Keep
) -> dict[str, Any]:
    """Run this node's processes on the job in ``folder/job`` to their end; return what came of it,
    on the first node.

    Raises RunError with the last lines of the process that failed first; the others are ended, as
    all are when this process is told to end.
    """
    events, logs = folder / "events", folder / "logs"
    events.touch()
    config = LaunchConfig(
        min_nodes=place.nodes,
        max_nodes=place.nodes,
        nproc_per_node=count,
        run_id="z1",
        rdzv_backend="static" if place.port else "c10d",
        rdzv_endpoint=f"{place.address}:{place.port}",
        rdzv_configs={"rank": place.number},
        local_addr="localhost" if place.nodes == 1 else None,
        max_restarts=0,
        signals_to_handle="SIGTERM",  # Ctrl-C is Python's, and ends them all the same
        log_line_prefix_template="process ${rank}: ",
        logs_specs=DefaultLogsSpecs(
            str(logs), redirects=Std.ALL, tee={0: Std.ALL if place.number == 0 else Std.NONE}
        ),
    )
    command = ("-u", *WORKER, folder / "job", output, events)
    trained: dict[str, Any] = {}
    before = signal.getsignal(signal.SIGTERM)
    try:
        with _held_stdin(), _followed(events, report, keep, trained):
            elastic_launch(config, sys.executable)(*map(str, command))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        told = _last_lines(logs, failure.local_rank)
        raise RunError(
            f"process {rank} of the training ended with code {failure.exitcode}, and so did the "
            f"others; its last lines:\n{told}"
        ) from error
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    return trained


@contextmanager
def _followed(events: Path, report: Report, keep: Keep, trained: dict[str, Any]) -> Iterator[None]:
    """Pass on what the first process says, while it works and to the last word."""
    over = threading.Event()

    def follow() -> None:
        text, last = "", False
        with events.open(encoding="utf-8") as file:
            while not last:
                last = over.wait(_EVERY)
                *lines, text = (text + file.read()).split("\n")
                for event in map(json.loads, lines):
                    if "total" in event:
                        report(event["done"], event["total"])
                    elif "kept" in event:
                        keep(Path(event["kept"]))
                    else:
                        trained.update(event["trained"])

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _held_stdin() -> Iterator[None]:
    """Give the processes a standard input that ends with this process, however that ends."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(writing)


def _last_lines(logs: Path, local_rank: int) -> str:
    """Return the end of what a process has written, errors last."""
    lines = [
        line
        for name in ("stdout.log", "stderr.log")
        for path in logs.glob(f"*/attempt_0/{local_rank}/{name}")
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    return "\n".join(lines[-_LINES:])
