"""One attempt to have a version served: tried out as a canary, promoted, or put back."""

from collections.abc import Callable
from dataclasses import dataclass

from z1.errors import InputError, RolloutError
from z1.serving import pods, releases, smoke
from z1.serving.cluster import Cluster
from z1.serving.comparing import covers
from z1.serving.manifests import Canary, Manifest, Release, name_workload
from z1.serving.readiness import find_trial_url, find_url, is_ready, is_rolled_out
from z1.serving.releases import State

Say = Callable[[str], None]

MINUTE = 60.0  # seconds


@dataclass(frozen=True)
class Attempt:
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
            self.check(find_trial_url(self.cluster, self.service, self.release.version, self.url))
        # All requests come here by now, and the pods of before are still there to take them back.
        self.check(find_url(self.cluster, self.service, self.url))

    def _wait(self, percent: int | None) -> None:
        """Wait until the release is ready, as the canary with a share of requests or by itself."""
        version = self.release.version
        for live in self.cluster.look("InferenceService", self.service, self.seconds):
            if live and self._is_served(live, self.release, percent):
                return
            if reason := pods.find_crash(self.cluster, self.service, version, self.strangers):
                raise RolloutError(reason)
        reason = self._explain()
        raise RolloutError(f"not ready within {self.seconds / MINUTE:.0f} minutes: {reason}")

    def _is_served(self, live: Manifest, release: Release, percent: int | None) -> bool:
        if not is_ready(live, release.version, percent):
            return False
        name = name_workload(self.service, release.version)
        return is_rolled_out(live, self.cluster.get("Deployment", name), release)

    def _watch(self, percent: int) -> None:
        version = self.release.version
        before = pods.count_restarts(self.cluster, self.service, version)
        for live in self.cluster.look("InferenceService", self.service, self.step_seconds):
            if pods.count_restarts(self.cluster, self.service, version) > before:
                reason = self._explain()
                raise RolloutError(f"a pod has been started again at {percent} %: {reason}")
            if live is None or not is_ready(live, version, percent):
                reason = self._explain()
                raise RolloutError(f"ready no more at {percent} % of the requests: {reason}")

    def _explain(self) -> str:
        return pods.explain(self.cluster, self.service, self.release.version, self.strangers)

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
            if live and self._is_served(live, served, None):
                self.tidy(self.state)
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
            if live and self._is_served(live, served, 0):
                return

    def tidy(self, state: State) -> None:
        """Delete what no version needs; one that stays does no harm, and goes the next time."""
        try:
            releases.drop_runtimes(self.cluster, self.service, state)
        except (RolloutError, InputError) as error:
            self.say(f"{self.service}: unneeded ServingRuntimes stay: {error}")
