"""Rolling a version out and back on KServe, so that there is always one that has been checked.

A new version starts as a canary without requests. When its pods are ready and it answers the smoke
problems, it gets requests step by step, is watched and asked again at each step, and is promoted:
its pods stay, and the service serves it. Only then does the service's record name it. Whatever
fails before that, the version of the record is put back. A process that was killed leaves the
record behind, and what is run next goes on from what it finds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from z1.errors import InputError, RolloutError
from z1.recipe import Deployment, ThinkingWindow
from z1.serving import pods, releases, smoke
from z1.serving.cluster import Cluster, UnreachableError, covers
from z1.serving.manifests import (
    PORT,
    RELEASE,
    Canary,
    Manifest,
    Release,
    find_service,
    make_budget,
    make_release,
    make_runtime,
    name_workload,
)
from z1.serving.published import Published
from z1.serving.releases import State, read_state

Say = Callable[[str], None]

MINUTE = 60.0  # seconds
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


@dataclass(frozen=True)
class _Rollout:
    """One attempt to have a release served."""

    cluster: Cluster
    service: str
    state: State
    """As it was at the start."""
    release: Release
    seconds: float
    """Time for pods to be ready."""
    check: Callable[[str], list[smoke.Answer]]
    """What asks the server at an address."""
    url: str | None
    steps: tuple[int, ...]
    step_seconds: float
    say: Say
    strangers: frozenset[str]
    """Pods of the release's version that were there before, which say nothing of this attempt."""

    def run(self) -> list[smoke.Answer]:
        """Roll out, and return the last answers."""
        served = self.state.served
        if served and served.version != self.release.version and not self._promoted():
            self._try_out(served)
        # A first version, or other settings of the one in service: its Deployment keeps the pods
        # of before until those of now are ready.
        releases.write(self.cluster, self.service, self.release)
        self.say(f"{self.release.version} is in service")
        self._wait(None)
        return self.check(find_url(self.cluster, self.service, self.url))

    def _promoted(self) -> bool:
        """Tell whether an earlier attempt got as far as to promote just this."""
        live = (self.state.live or {}).get("spec", {})
        return not live.get("canary") and covers(live.get("predictor"), self.release.predictor)

    def _try_out(self, served: Release) -> None:
        trial = self.state.canary
        begun = trial.percent if trial and trial.release.version == self.release.version else 0
        for percent in (0, *self.steps, 100):
            if percent < begun:
                continue
            canary = Canary(self.release, percent)
            releases.write(self.cluster, self.service, served, canary)
            self.say(f"{self.release.version} gets {percent} % of the requests")
            self._wait(percent)
            if percent:
                self._watch(percent)
            self.check(self._canary_url())
        # All requests come here by now, and the pods of before are still there to take them back.
        self.check(find_url(self.cluster, self.service, self.url))

    def _wait(self, percent: int | None) -> None:
        """Wait until the release is ready, as the canary with a share of requests or by itself."""
        version = self.release.version
        for live in self.cluster.look("InferenceService", self.service, self.seconds):
            if live and _is_ready(live, version, percent) and self._is_complete(self.release):
                return
            if reason := pods.find_crash(self.cluster, self.service, version, self.strangers):
                raise RolloutError(reason)
        reason = self._explain()
        raise RolloutError(f"not ready within {self.seconds / MINUTE:.0f} minutes: {reason}")

    def _is_complete(self, release: Release) -> bool:
        name = name_workload(self.service, release.version)
        return _is_rolled_out(self.cluster.get("Deployment", name), release)

    def _watch(self, percent: int) -> None:
        version = self.release.version
        before = pods.count_restarts(self.cluster, self.service, version)
        for live in self.cluster.look("InferenceService", self.service, self.step_seconds):
            if pods.count_restarts(self.cluster, self.service, version) > before:
                reason = self._explain()
                raise RolloutError(f"a pod has been started again at {percent} %: {reason}")
            if live is None or not _is_ready(live, version, percent):
                reason = self._explain()
                raise RolloutError(f"ready no more at {percent} % of the requests: {reason}")

    def _explain(self) -> str:
        return pods.explain(self.cluster, self.service, self.release.version, self.strangers)

    def _canary_url(self) -> str:
        name = name_workload(self.service, self.release.version)
        return _fill(self.url, name) or _inside(self.cluster, name)

    def put_back(self) -> str:
        """Have the service serve what it served, and say so. Raises as ``Cluster.apply`` does."""
        served = self.state.served
        if served is None:
            runtime = self.release.predictor["model"]["runtime"]
            releases.remove(self.cluster, self.service, runtime)
            return f"nothing was served before, so {self.service} is removed again"
        self._bring_back_pods(served)
        releases.write(self.cluster, self.service, served, force=True)
        for live in self.cluster.look("InferenceService", self.service, self.seconds):
            deployment = self.cluster.get("Deployment", name_workload(self.service, served.version))
            if (
                live
                and _is_ready(live, served.version, None)
                and _is_rolled_out(deployment, served)
            ):
                _tidy(self, self.state)
                return f"{served.version} is put back and serves"
        reason = pods.explain(self.cluster, self.service, served.version, frozenset())
        return f"{served.version} is put back, but is not ready: {reason}"

    def _bring_back_pods(self, served: Release) -> None:
        """Start the pods of what was served again, where they are gone since the promotion.

        They come back beside those of now, so that somebody answers meanwhile.
        """
        live = self.cluster.get("InferenceService", self.service)
        now = live["spec"]["predictor"] if live else served.predictor
        if now.get("name") == served.version:
            return
        stable = Release(now["name"], now)
        releases.write(self.cluster, self.service, stable, Canary(served, 0), force=True)
        for live in self.cluster.look("InferenceService", self.service, self.seconds):
            if live and _is_ready(live, served.version, 0) and self._is_complete(served):
                return


def deploy(
    cluster: Cluster,
    published: Published,
    section: Deployment,
    window: ThinkingWindow,
    say: Say = lambda text: None,
) -> Outcome:
    """Have a published version served, once it has passed every check.

    Raises RolloutError if it has not: what was served before is then served again. Raises
    InputError if the service is not z1's, or the cluster refuses what is asked.
    """
    service = find_service(section, published)
    runtime = make_runtime(section, window, service, published.bytes)
    release = make_release(section, published, service, runtime)
    state = read_state(cluster, service)
    before = state.served.version if state.served else None
    if state.live is None or state.served is None:
        releases.record(cluster, service, state)
    for manifest in (runtime, make_budget(service)):
        cluster.apply(manifest)
    if state.settled and state.served == release:
        if releases.write(cluster, service, release):
            say(f"{service}: what others had changed is as it was")
        url = find_url(cluster, service, section.url)
        return Outcome(service, release.version, before, False, url, [])
    rollout = _Rollout(
        cluster=cluster,
        service=service,
        state=state,
        release=release,
        seconds=section.ready_minutes * MINUTE,
        check=lambda url: smoke.ask(url, service, section, window),
        url=section.url,
        steps=tuple(section.canary),
        step_seconds=section.step_seconds,
        say=say,
        strangers=_find_strangers(cluster, service, state, release),
    )
    answers = _run(rollout, releases.accept(state, release))
    url = find_url(cluster, service, section.url)
    return Outcome(service, release.version, before, True, url, answers)


def roll_back(
    cluster: Cluster, service: str, url: str | None = None, say: Say = lambda text: None
) -> Outcome:
    """Have the version before served; of a roll-out that was cut off, the one it began with.

    Raises InputError if there is no such version, RolloutError if it does not become ready: then
    the one in service stays.
    """
    state = read_state(cluster, service)
    if state.live is None:
        raise InputError(f"there is no InferenceService {service} in {cluster.namespace}")
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
    rollout = _Rollout(
        cluster=cluster,
        service=service,
        state=state,
        release=release,
        seconds=_ROLLBACK_MINUTES * MINUTE,
        check=lambda url: [],
        url=url,
        steps=(),
        step_seconds=0.0,
        say=say,
        strangers=_find_strangers(cluster, service, state, release),
    )
    if state.settled:
        _run(rollout, State(state.live, release, state.history[1:]))
    else:
        say(rollout.put_back())
    found = find_url(cluster, service, url)
    return Outcome(service, release.version, trial, True, found, [])


def _run(rollout: _Rollout, after: State) -> list[smoke.Answer]:
    """Roll out and record ``after``, or put back what was served and raise RolloutError."""
    try:
        answers = rollout.run()
        releases.record(rollout.cluster, rollout.service, after)
    except (Exception, KeyboardInterrupt) as error:
        _give_up(rollout, error)
    _tidy(rollout, after)
    return answers


def _tidy(rollout: _Rollout, state: State) -> None:
    """Delete what no version needs; one that stays does no harm, and goes the next time."""
    try:
        releases.drop_runtimes(rollout.cluster, rollout.service, state)
    except (RolloutError, InputError) as error:
        rollout.say(f"{rollout.service}: unneeded ServingRuntimes stay: {error}")


def _give_up(rollout: _Rollout, error: BaseException) -> NoReturn:
    """Put back what was served and say why."""
    what = f"{rollout.service}: {rollout.release.version} is not served: {error or 'stopped'}"
    try:
        if isinstance(error, InputError) and _unchanged(rollout):
            raise error
        rollout.say(what)
        state = rollout.put_back()
    except (RolloutError, InputError) as second:
        if second is error:
            raise
        left = "" if isinstance(second, UnreachableError) else _describe(rollout)
        raise RolloutError(
            f"{what}\nWhat was served could not be put back either: {second}\n{left}Run "
            "`z1 rollback` to put it back, or `z1 deploy` to go on"
        ) from error
    if isinstance(error, KeyboardInterrupt):
        raise error
    raise RolloutError(f"{what}\n{state}") from error


def _unchanged(rollout: _Rollout) -> bool:
    """Tell whether the service is still as it was, so that nothing is to be put back."""
    live = rollout.state.live
    now = rollout.cluster.get("InferenceService", rollout.service)
    return bool(rollout.state.settled and now and live and now["spec"] == live["spec"])


def _describe(rollout: _Rollout) -> str:
    """Return in what state a service was left, as far as can be seen."""
    try:
        state = read_state(rollout.cluster, rollout.service)
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


def _is_ready(live: Manifest, version: str, percent: int | None) -> bool:
    """Tell whether KServe says that a version is ready, as the canary with a share or by itself.

    Its observedGeneration would not tell whether that is the newest word: in KServe 0.20 it is the
    Deployment's (kserve/kserve issue 6081). The list of canaries does.
    """
    status: dict[str, Any] = live.get("status") or {}
    trials = status.get("canaryStatuses") or []
    if percent is None:
        ready = [c["status"] for c in status.get("conditions") or [] if c["type"] == "Ready"]
        return ready == ["True"] and not trials and live["spec"]["predictor"]["name"] == version
    return any(
        trial["name"] == version and trial["ready"] and trial["trafficPercent"] == percent
        for trial in trials
    )


def _is_rolled_out(deployment: Manifest | None, release: Release) -> bool:
    """Tell whether all pods of a Deployment are a release's, and available.

    KServe calls a service ready as long as any pods are, those of the settings before too.
    """
    if deployment is None:
        return False
    spec, status = deployment["spec"], deployment.get("status") or {}
    annotations = spec["template"]["metadata"].get("annotations") or {}
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    wanted = release.predictor.get("annotations") or {}
    newest = annotations.get(RELEASE) == wanted.get(RELEASE)
    return bool(newest and observed and counts == [spec.get("replicas", 1)] * 3)


def find_url(cluster: Cluster, service: str, url: str | None) -> str:
    """Return where a service is: at ``url``, or where KServe says."""
    if url:
        return _fill(url, service)
    status = (cluster.get("InferenceService", service) or {}).get("status") or {}
    return str((status.get("address") or {}).get("url") or status.get("url") or "")


def _fill(url: str | None, name: str) -> str:
    return (url or "").replace("{service}", name)


def _inside(cluster: Cluster, name: str) -> str:
    """Return the address of a Kubernetes service within the cluster.

    One without an address of its own leads to the pods, at their port.
    """
    spec: dict[str, Any] = (cluster.get("Service", name) or {}).get("spec") or {}
    headless = spec.get("clusterIP") == "None" or not spec.get("ports")
    port = PORT if headless else spec["ports"][0]["port"]
    return f"http://{name}.{cluster.namespace}.svc.cluster.local:{port}"
