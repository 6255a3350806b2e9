"""Whatever happens to a roll-out, a version that was checked is served."""

import json
import re

import pytest

from z1.errors import InputError, RolloutError
from z1.recipe.deployment import SmokeProblem
from z1.serving.releases import read_state
from z1.serving.rollout import roll_back


class KilledError(BaseException):
    """Ends a roll-out where it is, as SIGKILL does: nothing is tidied up."""


def applied(world):
    """Return what was on service and on trial, with its percentage, in turn."""
    steps = []
    for _, kind, plural, thing in world.kube.changes:
        if plural == "inferenceservices" and kind != "DELETED":
            spec = thing["spec"]
            trial = [(t["predictor"]["name"], t["trafficPercent"]) for t in spec.get("canary", [])]
            if not steps or steps[-1] != (spec["predictor"]["name"], *trial):
                steps.append((spec["predictor"]["name"], *trial))
    return steps


def only(world):
    """Return the version that answers all requests.

    It is the one that was checked, and there was always one that answered.
    """
    assert not world.kserve.gaps
    state = read_state(world.cluster, "tops")
    assert state.settled
    [(version, percent)] = world.kserve.serving().items()
    assert (version, percent) == (state.served.version, 100)
    return version


class Teller(list):
    """What is said; does something at a word."""

    def __init__(self, word, act):
        super().__init__()
        self.word, self.act = word, act

    def append(self, text):
        super().append(text)
        if self.word in text:
            self.act()


def kill():
    raise KilledError


def test_a_first_version_is_served_when_it_answers(world):
    done = world.deploy("v1")
    assert (done.version, done.before, done.changed) == ("v1", None, True)
    assert done.url == world.chat.url.replace("{service}", "tops")
    assert {answer.effort for answer in done.answers} == {"low", "medium", "high"}
    assert {answer.verdict for answer in done.answers} == {"right"}
    assert only(world) == "v1"


def test_a_second_version_takes_over_step_by_step(world):
    world.deploy("v1")
    done = world.deploy("v2")
    assert (done.version, done.before) == ("v2", "v1")
    trial = [("v1", ("v2", percent)) for percent in (0, 10, 50, 100)]
    assert applied(world) == [("v1",), *trial, ("v2",)]
    assert only(world) == "v2"


def test_the_new_version_is_asked_before_it_gets_requests(world):
    world.deploy("v1")
    world.chat.asked.clear()
    asked = []
    said = Teller("10 %", lambda: asked.extend(world.chat.asked))
    world.deploy("v2", said)
    assert asked
    assert {service for service, _ in asked} == {"tops-v2-predictor"}


def test_no_pod_is_started_anew_on_the_way(world):
    world.deploy("v1")
    before = templates(world)
    trial = {}
    world.deploy("v2", Teller("gets", lambda: trial.update(templates(world))))
    assert set(trial) == {"tops-v1-predictor", "tops-v2-predictor"}
    assert trial["tops-v1-predictor"] == before["tops-v1-predictor"]
    assert templates(world) == {"tops-v2-predictor": trial["tops-v2-predictor"]}


def templates(world):
    """Return what each workload's pods are made of; another template is other pods."""
    found = {
        name: world.kube.find(plural, name)
        for plural, _, name in list(world.kube.objects)
        if plural == "deployments"
    }
    return {
        name: (thing["metadata"]["uid"], thing["spec"]["template"]) for name, thing in found.items()
    }


def test_a_lost_record_is_made_again_from_what_is_served(world):
    world.deploy("v1")
    world.kube.remove("configmaps", "tops-releases")
    world.kserve.script["v2"] = "crash"
    with pytest.raises(RolloutError, match="v1 is put back and serves"):
        world.deploy("v2")
    assert world.kserve.serving() == {"v1": 100}
    world.kserve.script.clear()
    world.deploy("v2")
    assert world.roll_back().version == "v1"


@pytest.mark.parametrize("deployed", [["v1"], ["v1", "v2"]])
def test_a_second_run_writes_nothing(world, deployed):
    for version in deployed:
        world.deploy(version)
    before, count = world.kube.version, len(world.kube.writes)
    done = world.deploy(deployed[-1])
    assert not done.changed
    assert (world.kube.version, len(world.kube.writes)) == (before, count)


PODS = [
    ("image", r"image z1-vllm:9 of pod tops-v2-predictor-0 cannot be had: Back-off pulling"),
    ("crash", r"code 1, 4 restarts; its last lines:\nloading weights\nValueError: no kernel"),
    ("memory", r"ran out of memory \(64Gi\)"),
    ("never", r"not ready within 5 minutes: .* Startup probe failed: connection refused"),
    ("unplaced", r"no node takes pod .*: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu"),
    ("nothing", r"no pod was made: pods are forbidden: exceeded quota"),
    ("dies 10", r"v2 is not served: (a pod has been started again|ready no more) at 10 %"),
    ("dies 50", r"v2 is not served: (a pod has been started again|ready no more) at 50 %"),
]
WAITING = dict.fromkeys(["image", "never", "unplaced", "nothing"], 5)
ANSWERS = [
    ("wrong", r"at low effort no answer is right; to 'What is 7 \* 8\?' it is 'It is 57.'"),
    ("over", r"thought about for \d+ tokens, more than the budget of"),
    ("silent", r"need `z1 serve` with the recipe's hint"),
    ("broken", r"engine died"),
]


@pytest.mark.parametrize(("how", "reason"), PODS)
def test_the_incumbent_serves_when_pods_fail(world, how, reason):
    world.deploy("v1")
    world.kserve.script["v2"] = how
    with pytest.raises(RolloutError, match=reason) as failed:
        world.deploy("v2", step_seconds=1, ready_minutes=WAITING.get(how, 60))
    assert "v1 is put back and serves" in str(failed.value)
    assert only(world) == "v1"
    assert world.kube.find("deployments", "tops-v2-predictor") is None


@pytest.mark.parametrize(("fault", "reason"), ANSWERS)
def test_the_incumbent_serves_when_answers_fail(world, fault, reason):
    world.deploy("v1")
    world.chat.faults["tops-v2-predictor"] = fault
    with pytest.raises(RolloutError, match=reason):
        world.deploy("v2")
    assert applied(world) == [("v1",), ("v1", ("v2", 0)), ("v1",)]  # v2 got no request
    assert only(world) == "v1"


def test_the_incumbent_serves_when_the_new_version_errs_with_more_requests(world):
    world.deploy("v1")
    fail = lambda: world.chat.faults.update({"tops-v2-predictor": "broken"})  # noqa: E731
    with pytest.raises(RolloutError, match="engine died"):
        world.deploy("v2", Teller("50 %", fail))
    assert only(world) == "v1"


def test_the_incumbent_serves_when_the_promoted_version_fails(world):
    world.deploy("v1")
    fail = lambda: world.chat.faults.update({"tops-v2-predictor": "wrong"})  # noqa: E731
    with pytest.raises(RolloutError, match="v1 is put back and serves"):
        world.deploy("v2", Teller("in service", fail))
    assert only(world) == "v1"


def test_the_incumbent_serves_when_kserve_does_not_react(world):
    world.deploy("v1")
    world.kserve.slow.add("v1")
    with pytest.raises(RolloutError, match="v2 is not served: not ready within"):
        world.deploy("v2", ready_minutes=5)
    world.kserve.slow.clear()
    assert only(world) == "v1"


@pytest.mark.parametrize("how", ["image", "crash"])
def test_a_first_version_that_fails_is_removed(world, how):
    world.kserve.script["v1"] = how
    with pytest.raises(RolloutError, match="nothing was served before, so tops is removed"):
        world.deploy("v1", ready_minutes=5)
    assert not {plural for plural, _, _ in world.kube.objects} & {
        *("inferenceservices", "servingruntimes", "poddisruptionbudgets", "configmaps")
    }


def test_other_settings_of_the_same_version_replace_its_pods(world):
    world.deploy("v1")
    before = runtimes(world)
    assert world.deploy("v1", image="z1-vllm:10").changed
    assert only(world) == "v1"
    [runtime] = runtimes(world)
    assert [runtime] != before
    spec = world.kube.find("servingruntimes", runtime)["spec"]
    assert spec["containers"][0]["image"] == "z1-vllm:10"


def test_other_settings_that_fail_leave_those_of_before(world):
    world.deploy("v1")
    before = runtimes(world)
    world.kserve.script["v1"] = "image"
    back = lambda: world.kserve.script.clear()  # noqa: E731
    with pytest.raises(RolloutError, match=r"cannot be had[\s\S]*v1 is put back and serves"):
        world.deploy("v1", Teller("not served", back), image="z1-vllm:10", ready_minutes=5)
    assert only(world) == "v1"
    assert runtimes(world) == before


def runtimes(world):
    return [name for plural, _, name in world.kube.objects if plural == "servingruntimes"]


@pytest.mark.parametrize(
    ("word", "goes_on"),
    [
        ("0 %", [("v1", ("v2", 0)), ("v1", ("v2", 10)), ("v1", ("v2", 50)), ("v1", ("v2", 100))]),
        ("50 %", [("v1", ("v2", 50)), ("v1", ("v2", 100))]),
        ("in service", []),
    ],
)
def test_a_killed_deployment_goes_on_where_it_was(world, word, goes_on):
    world.deploy("v1")
    with pytest.raises(KilledError):
        world.deploy("v2", Teller(word, kill))
    world.kube.changes.clear()
    world.kube.edit("test", "inferenceservices", "tops", ("metadata", "labels", "x"), "y")
    assert world.deploy("v2").changed
    assert applied(world) == [*goes_on, ("v2",)]
    assert only(world) == "v2"


@pytest.mark.parametrize("word", ["0 %", "50 %", "in service"])
def test_a_killed_deployment_that_then_fails_is_put_back(world, word):
    world.deploy("v1")
    with pytest.raises(KilledError):
        world.deploy("v2", Teller(word, kill))
    world.chat.faults["tops-v2-predictor"] = "wrong"
    with pytest.raises(RolloutError, match="v1 is put back and serves"):
        world.deploy("v2")
    assert only(world) == "v1"


@pytest.mark.parametrize("word", ["0 %", "50 %", "in service"])
def test_a_rollback_takes_a_killed_deployment_back(world, word):
    world.deploy("v1")
    with pytest.raises(KilledError):
        world.deploy("v2", Teller(word, kill))
    done = world.roll_back()
    assert (done.version, done.before) == ("v1", "v2")
    assert only(world) == "v1"


def test_a_killed_deployment_gives_way_to_another_version(world):
    world.deploy("v1")
    with pytest.raises(KilledError):
        world.deploy("v2", Teller("50 %", kill))
    world.deploy("v3")
    assert only(world) == "v3"
    assert world.roll_back().version == "v1"  # v2 was never served


def test_a_first_version_that_was_killed_goes_on(world):
    with pytest.raises(KilledError):
        world.deploy("v1", Teller("in service", kill))
    assert world.deploy("v1").changed
    assert only(world) == "v1"


def test_a_deployment_that_is_stopped_is_put_back(world):
    world.deploy("v1")

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.deploy("v2", Teller("10 %", stop))
    assert only(world) == "v1"


def test_each_rollback_goes_one_version_further_back(world):
    for version in ("v1", "v2", "v3"):
        world.deploy(version)
    assert [world.roll_back().version, only(world)] == ["v2", "v2"]
    assert [world.roll_back().version, only(world)] == ["v1", "v1"]
    with pytest.raises(InputError, match="v1 is the first version; none is before"):
        world.roll_back()
    world.deploy("v3")
    assert world.roll_back().version == "v1"


def test_a_rollback_that_fails_leaves_the_version_in_service(world):
    world.deploy("v1")
    world.deploy("v2")
    world.kserve.script["v1"] = "crash"
    with pytest.raises(RolloutError, match="no kernel for this GPU"):
        world.roll_back()
    assert only(world) == "v2"


def test_a_rollback_asks_before_it_moves_requests(world):
    world.deploy("v1")
    world.deploy("v2")
    world.chat.asked.clear()
    world.kube.changes.clear()
    world.chat.faults["tops-v1-predictor"] = "wrong"
    with pytest.raises(RolloutError, match=r"no answer is right[\s\S]*v2 is put back and serves"):
        world.roll_back()
    assert applied(world) == [("v2", ("v1", 0)), ("v2",)]  # v1 got no request
    assert {service for service, _ in world.chat.asked} == {"tops-v1-predictor"}
    assert only(world) == "v2"
    world.chat.faults.clear()
    assert {answer.effort for answer in world.roll_back().answers} == {
        *("low", "medium", "high"),
    }


def test_a_rollback_to_a_version_recorded_without_its_test_says_so(world):
    world.deploy("v1")
    world.deploy("v2")
    record = world.kube.find("configmaps", "tops-releases")
    for name, releases in record["data"].items():
        record["data"][name] = json.dumps([release[:2] for release in json.loads(releases)])
    world.kube.put("configmaps", record)
    said = []
    done = roll_back(world.cluster, "tops", world.chat.url, said.append)
    assert (done.version, done.answers) == ("v1", [])
    assert said[0] == "tops: v1 was deployed without a record of its smoke test"


def test_a_rollback_asks_what_that_version_was_asked_then(world):
    world.deploy("v1", smoke=[SmokeProblem(prompt="What is 50 + 6?", answer="56")])
    world.deploy("v2")
    assert {answer.prompt for answer in world.roll_back().answers} == {"What is 50 + 6?"}


def test_a_rollback_brings_the_settings_of_then(world):
    world.deploy("v1", image="z1-vllm:1")
    world.deploy("v2", image="z1-vllm:2")
    world.roll_back()
    [runtime] = runtimes(world)
    spec = world.kube.find("servingruntimes", runtime)["spec"]
    assert spec["containers"][0]["image"] == "z1-vllm:1"


def test_a_rollback_of_nothing_says_so(world):
    with pytest.raises(InputError, match="there is no InferenceService tops in z1"):
        world.roll_back()
    world.deploy("v1")
    runtime = world.kube.find("servingruntimes", runtimes(world)[0])
    world.deploy("v2", image="z1-vllm:2")
    world.kube.remove("servingruntimes", runtime["metadata"]["name"])
    with pytest.raises(InputError, match=r"v1 needs the ServingRuntime .*; deploy v1 again"):
        world.roll_back()
    assert re.search("v2", only(world))
