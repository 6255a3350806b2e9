"""Worker processes for verifiers: as many as there are cores, each replaced when it dies.

An item that outlasts the time limit takes its worker with it (see ``z1.verifiers.clock``); the
rest of that worker's batch goes to a new one. Workers stay for the next call.
"""

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import z1
from z1.verifiers.clock import SIGNALS
from z1.verifiers.sandbox import Settings

Result = tuple[str, str | None, dict[str, Any] | None]
_BATCH = 32
_ITEMS_A_WORKER = 8  # below this, one more worker costs more than it saves
_idle: list["_Worker"] = []
_lock = threading.Lock()
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class _Worker:
    """A running worker process."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the worker)
        path = os.pathsep.join(
            filter(None, [str(Path(z1.__file__).parent.parent), os.environ.get("PYTHONPATH")])
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "z1.verifiers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
            encoding="utf-8",
        )
        self._ready = False

    def wait(self) -> None:
        """Wait until the process has started. Raises RuntimeError if it does not."""
        if not self._ready and self._read() != "ready\n":
            self.stop()
            self._errors.seek(0)
            message = self._errors.read().decode(errors="replace").strip()
            raise RuntimeError(f"a verifier process does not start: {message}")
        self._ready = True

    def send(self, items: Sequence[tuple[str, Any, str]], limit: float, running: Settings) -> None:
        """Hand over a batch; a worker that is dead already is noticed by ``receive``."""
        assert self._process.stdin
        try:
            batch = {"items": items, "limit": limit, "running": running}
            self._process.stdin.write(json.dumps(batch) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    def receive(self) -> Result | None:
        """Return the next item's verdict, or None if the worker died over it."""
        line = self._read()
        if not line.endswith("\n"):
            return None
        verdict, reason, details = json.loads(line)
        return verdict, reason, details

    def death(self, limit: float) -> str:
        """Return why the worker died."""
        code = self._process.wait()
        if -code in SIGNALS:
            return f"stopped after {limit:g} s"
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the verifier's process died ({name})"

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


def _count_cores() -> int:
    """Return how many cores this process may use: in a container what its limit grants.

    With a worker for each core of a large node a pod would soon be out of memory.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = _QUOTA.read_text().split()
    except (OSError, ValueError):  # no control group of its own
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def run(
    items: Sequence[tuple[str, Any, str]],
    limit: float,
    report: Callable[[int], None] | None,
    running: Settings,
) -> list[Result]:
    """Check all items in worker processes; return (verdict, reason, details) in the items' order.

    ``report`` is told how many items are done.
    """
    results: list[Result] = [("error", "not checked", None)] * len(items)
    workers = min(_count_cores(), -(-len(items) // _ITEMS_A_WORKER))
    size = max(1, min(_BATCH, -(-len(items) // (4 * workers)) if workers else 1))
    batches: queue.SimpleQueue[range] = queue.SimpleQueue()
    for start in range(0, len(items), size):
        batches.put(range(start, min(start + size, len(items))))
    busy: set[_Worker] = set()
    stopping = threading.Event()
    done = 0

    def serve() -> None:
        nonlocal done
        worker: _Worker | None = None
        while not stopping.is_set():
            try:
                batch = list(batches.get_nowait())
            except queue.Empty:
                break
            while batch and not stopping.is_set():
                worker = worker or _take(busy, stopping)
                if worker is None:
                    return
                worker.wait()
                worker.send([items[index] for index in batch], limit, running)
                checked = 0
                while checked < len(batch) and (verdict := worker.receive()):
                    results[batch[checked]] = verdict
                    checked += 1
                if checked < len(batch):  # it died over this item
                    results[batch[checked]] = ("error", worker.death(limit), None)
                    with _lock:
                        busy.discard(worker)
                    worker, checked = None, checked + 1
                batch = batch[checked:]
                with _lock:
                    done += checked
                    if report and not stopping.is_set():
                        report(done)
        if worker:
            with _lock:
                busy.discard(worker)
                _idle.append(worker)

    with ThreadPoolExecutor(max(1, workers)) as threads:
        serving = [threads.submit(serve) for _ in range(workers)]
        try:
            for future in serving:
                # In short waits: a signal that another thread takes does not end a long one.
                while not future.done():
                    wait([future], timeout=0.2)
                future.result()
        except BaseException:  # Ctrl-C above all
            with _lock:
                stopping.set()
                for worker in busy:
                    worker.stop()
            raise
    return results


def _take(busy: set[_Worker], stopping: threading.Event) -> _Worker | None:
    """Return a worker that waits, or a new one; None if all work is being stopped."""
    # Under one lock, so that who stops the work finds every process that there is.
    with _lock:
        if stopping.is_set():
            return None
        worker = _idle.pop() if _idle else _Worker()
        busy.add(worker)
    return worker


@atexit.register
def close() -> None:
    """End the workers that wait for more."""
    with _lock:
        while _idle:
            _idle.pop().stop()


os.register_at_fork(after_in_child=_idle.clear)  # a worker answers only the process it belongs to
