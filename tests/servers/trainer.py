"""Kubeflow Trainer's controller and the nodes behind it: each node of a TrainJob is a process here.

Written from the documentation and sources of Kubeflow Trainer 2 and JobSet: a TrainJob becomes a
JobSet of its name, whose pods ``NAME-node-0-INDEX-...`` carry the JobSet's name and their index as
labels; torchrun's variables PET_NNODES, PET_NPROC_PER_NODE, PET_NODE_RANK, PET_MASTER_ADDR and
PET_MASTER_PORT are Trainer's to set and refused in a TrainJob; ``trainer`` and ``runtimeRef`` are
immutable; the condition Complete is True when all pods have succeeded, Failed when the JobSet has;
the pods go with their TrainJob.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from servers.kube import KubeServer, Object, RefusedError
from servers.schema import Problem

from z1.versioning.local import find_port

_LOOK = 0.1  # seconds between looks at the processes


class _Pod(NamedTuple):
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Trainer:
    """The controller; ``command`` returns what a node runs in the place of its container."""

    def __init__(
        self, server: KubeServer, folder: Path, command: Callable[[Object], list[str]]
    ) -> None:
        self.server, self.folder, self.command = server, folder, command
        self._running: dict[str, list[_Pod]] = {}
        self._made = 0
        self._stopped = threading.Event()
        server.webhooks.append(_admit)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        for uid in list(self._running):
            self._end(uid)

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK):
            with self.server.changed:
                jobs = {
                    thing["metadata"]["uid"]: thing
                    for (plural, _, _), thing in self.server.objects.items()
                    if plural == "trainjobs"
                }
            for uid in [uid for uid in self._running if uid not in jobs]:
                self._end(uid)
            for uid, job in jobs.items():
                if uid not in self._running:
                    self._start(uid, job)
                elif not job.get("status"):
                    self._look(uid, job)

    def _start(self, uid: str, job: Object) -> None:
        name, trainer = job["metadata"]["name"], job["spec"]["trainer"]
        plain = {each["name"]: each["value"] for each in trainer["env"] if "value" in each}
        given = {
            **plain,
            "PET_NNODES": str(trainer["numNodes"]),
            "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": str(find_port()),
        }
        self._running[uid] = []
        for number in range(trainer["numNodes"]):
            self._made += 1
            pod = f"{name}-node-0-{number}-{self._made}"
            log = self.folder / f"{pod}.log"
            with log.open("wb") as file:
                process = subprocess.Popen(
                    [*self.command(job), *trainer["args"]],
                    env={**os.environ, **given, "PET_NODE_RANK": str(number)},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            self._running[uid].append(_Pod(pod, process, log))
            self._show(name, number, self._running[uid][-1], "Running", {"running": {}})

    def _look(self, uid: str, job: Object) -> None:
        name, pods = job["metadata"]["name"], self._running[uid]
        codes = [pod.process.poll() for pod in pods]
        for number, (pod, code) in enumerate(zip(pods, codes, strict=True)):
            self.server.logs[pod.name, False] = pod.log.read_text(errors="replace")
            if code is not None:
                phase = "Failed" if code else "Succeeded"
                ended = {"terminated": {"exitCode": code, "finishedAt": f"{number}"}}
                self._show(name, number, pod, phase, ended)
        if any(codes):
            self._tell(name, "Failed", "jobset failed due to one or more job failures")
        elif all(code == 0 for code in codes):
            self._tell(name, "Complete", "jobset completed successfully")

    def _tell(self, name: str, kind: str, message: str) -> None:
        condition = {
            "type": kind,
            "status": "True",
            "reason": f"Jobs{kind}",
            "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        self.server.set_status("trainjobs", name, {"conditions": [condition]})

    def _show(self, name: str, number: int, pod: _Pod, phase: str, state: Object) -> None:
        ready = "True" if phase == "Running" else "False"
        labels = {
            "jobset.sigs.k8s.io/jobset-name": name,
            "batch.kubernetes.io/job-completion-index": str(number),
        }
        status = {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"name": "node", "restartCount": 0, "state": state}],
        }
        thing = {"kind": "Pod", "metadata": {"name": pod.name, "labels": labels}, "status": status}
        self.server.put("pods", {**thing, "spec": {"containers": [{"name": "node"}]}})

    def _end(self, uid: str) -> None:
        for pod in self._running.pop(uid):
            pod.process.terminate()
            pod.process.wait()
            self.server.remove("pods", pod.name)


def _admit(thing: Object, before: Object | None) -> None:
    """Refuse what Trainer's webhook and the definition's own rules refuse."""
    if thing["kind"] != "TrainJob":
        return
    trainer = thing["spec"]["trainer"]
    if any(each["name"].startswith("PET_") for each in trainer["env"]):
        told = "must not have reserved envs"
        raise RefusedError(403, told, [Problem("spec.trainer.env", told)])
    for field in ("trainer", "runtimeRef"):
        if before and before["spec"][field] != thing["spec"][field]:
            raise RefusedError(422, "field is immutable", [Problem(f"spec.{field}", "immutable")])
