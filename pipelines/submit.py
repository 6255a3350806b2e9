"""``z1 submit``: a recipe's pipeline as a run on a cluster, and how that run fares."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from z1.errors import RunError
from z1_pipelines.job import Job, place
from z1_pipelines.server import Server, ServerError, ask

_PAUSE = 10.0  # seconds between two looks at a run
_PATIENCE = 600.0  # seconds that a server may be away while a run is followed
_GOOD, _BAD = "SUCCEEDED", ("FAILED", "CANCELED", "SKIPPED")


class Submitted(NamedTuple):
    """A run on a server."""

    id: str
    page: str


def submit(server: Server, job: Job, experiment: str | None, root: str | None) -> Submitted:
    """Start a run in an experiment, by default the one with the recipe's name.

    ``root`` is where the run's files go, such as ``s3://bucket/folder``; None for the server's own
    place. Raises ServerError.
    """
    body = place(server, job, experiment or job.name, root)
    body["display_name"] = f"{job.name} {time.strftime('%Y-%m-%d %H-%M-%S')}"
    run_id = ask(server, server.client.runs.run_service_create_run, run=body)["run_id"]
    return Submitted(run_id, f"{server.page}/#/runs/details/{run_id}")


def follow(server: Server, job: Job, run: Submitted, say: Callable[[str], None]) -> None:
    """Wait for a run's end, and say whenever one of its steps gets on.

    Raises RunError with the steps that failed, and ServerError if the server stays away.
    """
    states: dict[str, str] = {}
    last_answer = time.monotonic()
    while True:
        try:
            answer = ask(server, server.client.runs.run_service_get_run, run_id=run.id)
        except ServerError as error:
            passing = error.status == 0 or error.status >= 500
            if not passing or time.monotonic() - last_answer > _PATIENCE:
                message = f"{error}\nthe run itself goes on: {run.page}"
                raise ServerError(message, error.status) from error
        else:
            last_answer = time.monotonic()
            tasks = (answer.get("run_details") or {}).get("task_details") or []
            for step, task in _steps(job, tasks):
                state = task.get("state", "")
                which = task.get("task_id", step)  # of the shards of a step each
                if state != states.get(which):
                    states[which] = state
                    say(f"{step}: {state.lower()}")
            if answer.get("state") == _GOOD:
                return
            if answer.get("state") in _BAD:
                raise RunError(_explain(job, answer, tasks, run))
        time.sleep(_PAUSE)


def _steps(job: Job, tasks: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the tasks that are steps of the pipeline, with the steps' names.

    There are others: a driver for each step, and the parts that a step's container is run by.
    """
    named = [(job.steps.get(task.get("display_name", "")), task) for task in tasks]
    return [(step, task) for step, task in named if step]


def _explain(job: Job, answer: dict[str, Any], tasks: list[dict[str, Any]], run: Submitted) -> str:
    by_id = {task.get("task_id"): task for task in tasks}
    failed = [(step, task) for step, task in _steps(job, tasks) if task.get("state") == "FAILED"]
    if not failed:  # a driver, or what the server itself does
        failed = [
            (task.get("display_name", "?"), task) for task in tasks if task.get("state") == "FAILED"
        ]
    lines = [f"run {run.id} ended as {answer['state'].lower()}"]
    if message := _message(answer):
        lines[0] += f": {message}"
    for step, task in failed:
        children = [by_id.get(child.get("task_id")) for child in task.get("child_tasks") or []]
        parts = [task, *(child for child in children if child)]
        message = next((said for part in parts if (said := _message(part))), "it gave no reason")
        pod = next((part["pod_name"] for part in reversed(parts) if part.get("pod_name")), None)
        lines.append(f"  step {step}: {message}" + (f" (pod {pod})" if pod else ""))
    return "\n".join([*lines, f"the steps' logs: {run.page}"])


def _message(status: dict[str, Any]) -> str:
    """Return why a run or a task failed, if the server says so in one of its two places."""
    history = status.get("state_history") or []
    errors = [status.get("error"), *(entry.get("error") for entry in reversed(history))]
    return next((str(error["message"]) for error in errors if error and error.get("message")), "")
