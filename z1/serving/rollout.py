"""Rolling a version out and back on KServe, so that there is always one that has been checked.

A new version starts as a canary without requests. When its pods are ready and it answers the smoke
problems, it gets requests step by step, is watched and asked again at each step, and is promoted:
its pods stay, and the service serves it. Only then does the service's record name it. Whatever
fails before that, the version of the record is put back. A process that was killed leaves the
record behind, and what is run next goes on from what it finds.
"""

from typing import NamedTuple, NoReturn

from z1.errors import InputError, RolloutError
from z1.recipe import Deployment, ThinkingWindow
from z1.serving import attempt as attempts
from z1.serving import pods, releases, smoke
from z1.serving.attempt import Attempt, Say
from z1.serving.cluster import Cluster, UnreachableError
from z1.serving.lease import LostLeaseError, hold
from z1.serving.manifests import (
    Manifest,
    Release,
    find_service,
    make_budget,
    make_release,
    make_runtime,
    make_service,
)
from z1.serving.published import Published
from z1.serving.readiness import find_url
from z1.serving.releases import State, read_state

_ROLLBACK_MINUTES = 60  # for an earlier version's pods to be ready again


class Outcome(NamedTuple):
    """What became of a roll-out."""

    service: str
    version: str
    before: str | None
    """The version served before; None if there was none."""
    changed: bool
    """Whether anything had to be done."""
    url: str
    """Where it is served."""
    answers: list[smoke.Answer]
    """What it answered last; empty where nothing had to be done."""


def deploy(
    cluster: Cluster,
    published: Published,
    section: Deployment,
    window: ThinkingWindow,
    say: Say = lambda text: None,
) -> Outcome:
    """Have a published version served, once it has passed every check.

    Raises RolloutError if it has not: what was served before is then served again. Raises
    InputError if the service is not z1's, another roll-out of it is under way, or the cluster
    refuses what is asked.
    """
    service = find_service(section, published)
    runtime = make_runtime(section, window, service, published.bytes)
    test = smoke.describe(section, window)
    release = make_release(section, published, service, runtime, test)
    needed = (runtime, make_budget(service))
    state = read_state(cluster, service)
    wanted = (*needed, make_service(service, release, None))
    if state.settled and state.served == release and all(map(cluster.matches, wanted)):
        url = find_url(cluster, service, section.url)
        return Outcome(service, release.version, release.version, False, url, [])
    with hold(cluster, service, say):
        return _deploy(cluster, service, release, needed, section, window, say)


def _deploy(
    cluster: Cluster,
    service: str,
    release: Release,
    needed: tuple[Manifest, ...],
    section: Deployment,
    window: ThinkingWindow,
    say: Say,
) -> Outcome:
    """Have a release served by one who holds the service's Lease."""
    state = read_state(cluster, service)
    before = state.served.version if state.served else None
    if state.live is None or state.served is None:
        releases.record(cluster, service, state)
    for manifest in needed:
        cluster.apply(manifest)
    if state.settled and state.served == release:
        if releases.write(cluster, service, release):
            say(f"{service}: what others had changed is as it was")
        url = find_url(cluster, service, section.url)
        return Outcome(service, release.version, before, False, url, [])
    attempt = Attempt(
        cluster=cluster,
        service=service,
        state=state,
        release=release,
        seconds=section.ready_minutes * attempts.MINUTE,
        check=lambda url: smoke.ask(url, service, section, window),
        url=section.url,
        steps=tuple(section.canary),
        step_seconds=section.step_seconds,
        say=say,
        strangers=_find_strangers(cluster, service, state, release),
    )
    answers = _run(attempt, releases.accept(state, release))
    url = find_url(cluster, service, section.url)
    return Outcome(service, release.version, before, True, url, answers)


def roll_back(
    cluster: Cluster, service: str, url: str | None = None, say: Say = lambda text: None
) -> Outcome:
    """Have the version before served; of a roll-out that was cut off, the one it began with.

    Raises InputError if there is no such version, or another roll-out is under way. Raises
    RolloutError if it does not become ready, or fails the smoke test it once passed: then the one
    in service stays.
    """
    if read_state(cluster, service).live is None:
        raise InputError(f"there is no InferenceService {service} in {cluster.namespace}")
    with hold(cluster, service, say):
        return _roll_back(cluster, service, url, say)


def _roll_back(cluster: Cluster, service: str, url: str | None, say: Say) -> Outcome:
    state = read_state(cluster, service)
    if state.served is None:
        raise InputError(f"{service}: no version has passed its checks yet; run `z1 deploy` again")
    trial = state.canary.release.version if state.canary else state.version
    if state.settled and not state.history:
        raise InputError(f"{service}: {state.served.version} is the first version; none is before")
    release = state.history[0] if state.settled else state.served
    runtime = release.predictor["model"]["runtime"]
    if cluster.get("ServingRuntime", runtime) is None:
        raise InputError(
            f"{service}: {release.version} needs the ServingRuntime {runtime}, which is gone; "
            f"deploy {release.version} again"
        )
    test = release.test
    if test is None:
        say(f"{service}: {release.version} was deployed without a record of its smoke test")
    attempt = Attempt(
        cluster=cluster,
        service=service,
        state=state,
        release=release,
        seconds=_ROLLBACK_MINUTES * attempts.MINUTE,
        check=lambda url: smoke.ask_again(url, service, test) if test else [],
        url=url,
        steps=(),
        step_seconds=0.0,
        say=say,
        strangers=_find_strangers(cluster, service, state, release),
    )
    answers: list[smoke.Answer] = []
    if state.settled:
        answers = _run(attempt, State(state.live, release, state.history[1:]))
    else:
        say(attempt.put_back())
    found = find_url(cluster, service, url)
    return Outcome(service, release.version, trial, True, found, answers)


def _run(attempt: Attempt, after: State) -> list[smoke.Answer]:
    """Roll out and record ``after``, or put back what was served and raise RolloutError."""
    try:
        answers = attempt.run()
        releases.record(attempt.cluster, attempt.service, after)
    except (Exception, KeyboardInterrupt) as error:
        _give_up(attempt, error)
    attempt.tidy(after)
    return answers


def _give_up(attempt: Attempt, error: BaseException) -> NoReturn:
    """Put back what was served and say why."""
    if isinstance(error, LostLeaseError):
        raise error
    what = f"{attempt.service}: {attempt.release.version} is not served: {error or 'stopped'}"
    try:
        if isinstance(error, InputError) and _unchanged(attempt):
            raise error
        attempt.say(what)
        state = attempt.put_back()
    except (RolloutError, InputError) as second:
        if second is error:
            raise
        left = "" if isinstance(second, UnreachableError) else _describe(attempt)
        raise RolloutError(
            f"{what}\nWhat was served could not be put back either: {second}\n{left}Run "
            "`z1 rollback` to put it back, or `z1 deploy` to go on"
        ) from error
    if isinstance(error, KeyboardInterrupt):
        raise error
    raise RolloutError(f"{what}\n{state}") from error


def _unchanged(attempt: Attempt) -> bool:
    """Tell whether the service is still as it was, so that nothing is to be put back."""
    live = attempt.state.live
    now = attempt.cluster.get("InferenceService", attempt.service)
    return bool(attempt.state.settled and now and live and now["spec"] == live["spec"])


def _describe(attempt: Attempt) -> str:
    """Return in what state a service was left, as far as can be seen."""
    try:
        state = read_state(attempt.cluster, attempt.service)
    except (UnreachableError, InputError):
        return ""
    served = f"Now it serves {state.version}"
    if state.canary:
        served += f", and {state.canary.release.version} on {state.canary.percent} % of requests"
    return f"{served}. "


def _find_strangers(
    cluster: Cluster, service: str, state: State, release: Release
) -> frozenset[str]:
    """Return the pods that an attempt finds; one that goes on made them itself."""
    return pods.find_names(cluster, service, release.version) if state.settled else frozenset()
