"""``z1 schedule``: a recipe's pipeline as a recurring run on a cluster.

A schedule is a recurring run with a name and a description that begins with ``z1 schedule``; others
are left alone. The server cannot change a recurring run, so that a change is: make the new one,
disabled; disable the old one; enable the new one; delete the old one. If that is cut off anywhere
there are never two enabled, and the same command again finishes it.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

from z1.errors import InputError
from z1_pipelines.cron import Cron, parse_cron, say_next
from z1_pipelines.job import Job, place
from z1_pipelines.server import Server, ServerError, ask, list_all

_MARK = "z1 schedule"
_PAUSES = (0.0, 1.0, 4.0)  # seconds before each try to put things back

Recurring = dict[str, Any]
"""A recurring run, as the server has it."""


def set_schedule(
    server: Server, job: Job, name: str, cron: Cron, experiment: str | None, root: str | None
) -> Literal["made", "changed", "unchanged"]:
    """Run a job whenever ``cron`` says: one run at a time, and none made up for later.

    Raises InputError if the name is another recurring run's, and ServerError that says how things
    stand if the server does not do its part.
    """
    found = _find(server, name)
    wanted: Recurring = {
        **place(server, job, experiment or job.name, root),
        "display_name": name,
        "description": f"{_MARK}: recipe {job.name}, pipeline {job.pipeline} {job.version}",
        "trigger": {"cron_schedule": {"cron": cron.text}},
        "max_concurrency": "1",
        "no_catchup": True,
    }
    same = [recurring for recurring in found if _aspects(recurring) == _aspects(wanted)]
    keep = next(filter(is_enabled, same), same[0] if same else None)
    others = [recurring for recurring in found if recurring is not keep]
    if keep and is_enabled(keep) and not others:
        return "unchanged"
    new = keep or _create(server, wanted)
    _switch(server, new, others, made=keep is None)
    for other in others:
        try:
            _delete(server, other)
        except ServerError as error:
            raise ServerError(
                f"{name} is scheduled as asked, but what it was before, now disabled, cannot be "
                f"deleted; the same command again does it ({error})",
                error.status,
            ) from error
    return "changed" if found else "made"


def list_schedules(server: Server) -> list[Recurring]:
    """Return all schedules, by name. Raises ServerError."""
    return sorted(filter(_is_ours, _list(server)), key=lambda one: str(one["display_name"]))


def remove_schedule(server: Server, name: str) -> None:
    """Delete a schedule; a run of it that is under way goes on.

    Raises InputError if there is none of that name, and ServerError.
    """
    found = _find(server, name)
    if not found:
        names = sorted({str(one["display_name"]) for one in list_schedules(server)})
        there = ", ".join(names) or "none"
        raise InputError(f"there is no schedule {name!r} to remove; there are: {there}")
    for recurring in found:
        _delete(server, recurring)


def is_enabled(recurring: Recurring) -> bool:
    """Tell whether a recurring run starts runs."""
    return recurring.get("mode") == "ENABLE" or recurring.get("status") == "ENABLED"


def describe(recurring: Recurring) -> str:
    """Return a schedule as a line of text."""
    cron = _read_cron(recurring)
    when = "disabled"
    if is_enabled(recurring):
        try:
            when = f"next on {say_next(parse_cron(cron))}"
        except InputError:  # changed by hand to what only the server reads, such as @weekly
            when = "enabled"
    about = str(recurring["description"]).removeprefix(f"{_MARK}: ")
    return f"{recurring['display_name']}: {cron}; {when}; {about}"


def _read_cron(recurring: Recurring) -> str:
    trigger = recurring.get("trigger") or {}
    return str((trigger.get("cron_schedule") or {}).get("cron", ""))


def _find(server: Server, name: str) -> list[Recurring]:
    """Return the schedules of a name: one, or more if a change was cut off."""
    found = [one for one in _list(server) if one.get("display_name") == name]
    if strange := [one for one in found if not _is_ours(one)]:
        raise InputError(
            f"recurring run {name!r} ({strange[0]['recurring_run_id']}) was not made by z1; "
            "give another --name, or delete it"
        )
    return found


def _list(server: Server) -> Iterable[Recurring]:
    whose = {"namespace": server.namespace} if server.namespace else {}
    call = server.client.recurring_runs.recurring_run_service_list_recurring_runs
    return list(list_all(server, call, "recurringRuns", **whose))


def _is_ours(recurring: Recurring) -> bool:
    return str(recurring.get("description", "")).startswith(_MARK)


def _aspects(recurring: Recurring) -> tuple[Any, ...]:
    """Return all that makes one schedule another one; the server leaves out what is empty."""
    config = recurring.get("runtime_config") or {}
    return (
        recurring.get("experiment_id"),
        recurring.get("pipeline_version_reference"),
        config.get("parameters") or {},
        config.get("pipeline_root") or "",
        recurring.get("service_account") or "",
        _read_cron(recurring),
        int(recurring.get("max_concurrency") or 0),
        bool(recurring.get("no_catchup")),
    )


def _create(server: Server, wanted: Recurring) -> Recurring:
    call = server.client.recurring_runs.recurring_run_service_create_recurring_run
    made: Recurring = ask(server, call, recurring_run={**wanted, "mode": "DISABLE"})
    return made


def _switch(server: Server, new: Recurring, others: list[Recurring], made: bool) -> None:
    """Disable the others and enable the new one, or leave everything as it was."""
    stopped = []
    try:
        for other in filter(is_enabled, others):
            stopped.append(other)
            _set_mode(server, other, "disable")
        if not is_enabled(new):
            _set_mode(server, new, "enable")
    except (ServerError, KeyboardInterrupt) as error:
        state = _put_back(server, new, stopped, made)
        status = error.status if isinstance(error, ServerError) else 0
        raise ServerError(f"{state} ({str(error) or 'stopped'})", status) from error


def _put_back(server: Server, new: Recurring, stopped: list[Recurring], made: bool) -> str:
    """Undo a change that failed, and return how things stand.

    A request that failed may have been done all the same. So the new one is put out of action
    before the old one is enabled again; of several old ones the last is enough.
    """
    name = new["display_name"]
    try:
        if made:
            _persist(lambda: _delete(server, new))
        elif not is_enabled(new):
            _persist(lambda: _set_mode(server, new, "disable"))
        if stopped and not is_enabled(new):
            _persist(lambda: _set_mode(server, stopped[-1], "enable"))
    except ServerError:
        return (
            f"{name} could not be changed, and not put back either: it may start no runs now; "
            "the same command again, once the server answers, finishes the change"
        )
    return f"{name} could not be changed and is as it was"


def _persist(act: Callable[[], None]) -> None:
    """Do something that must be done, more than once if need be."""
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            return act()
        except ServerError as error:
            last = error
    raise last


def _set_mode(server: Server, recurring: Recurring, mode: Literal["enable", "disable"]) -> None:
    call = getattr(server.client.recurring_runs, f"recurring_run_service_{mode}_recurring_run")
    ask(server, call, recurring_run_id=recurring["recurring_run_id"])


def _delete(server: Server, recurring: Recurring) -> None:
    """Delete a recurring run without the run that it has under way."""
    call = server.client.recurring_runs.recurring_run_service_delete_recurring_run
    try:
        ask(
            server,
            call,
            recurring_run_id=recurring["recurring_run_id"],
            propagation_policy="ORPHAN",
        )
    except ServerError as error:
        if error.status != 404:  # gone already, as when an answer was lost on its way
            raise
