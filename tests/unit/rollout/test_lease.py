"""Two roll-outs of one service at once."""

from types import SimpleNamespace

import pytest

from z1.errors import InputError, RolloutError
from z1.serving import lease
from z1.serving.lease import LostLeaseError, hold

NAME = "tops-rollout"
OTHER = {"leaseDurationSeconds": 60, "renewTime": "2026-01-01T00:00:00.000000Z"}


class Clock(SimpleNamespace):
    """The time of roll-outs that look on; each look may bring something about."""

    def __init__(self, look=lambda: None):
        super().__init__(now=1000.0, look=look)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.look()


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(lease, "time", found)
    return found


def put(world, holder="elsewhere-7"):
    metadata = {"name": NAME, "labels": {}}
    spec = {**OTHER, "holderIdentity": holder}
    world.kube.put("leases", {"kind": "Lease", "metadata": metadata, "spec": spec})


def renew(world, clock):
    world.kube.edit("other", "leases", NAME, ("spec", "renewTime"), str(clock.now))


def steal(world):
    world.kube.edit("other", "leases", NAME, ("spec", "holderIdentity"), "elsewhere-7")


def holder(world):
    return world.kube.find("leases", NAME)["spec"].get("holderIdentity")


def test_beside_a_roll_out_that_is_alive_none_begins(world, clock):
    world.deploy("v1")
    put(world)
    clock.look = lambda: renew(world, clock)
    before = len(world.kube.writes)
    for command in (lambda: world.deploy("v2"), world.roll_back):
        with pytest.raises(InputError, match="tops: a roll-out is under way, by elsewhere-7"):
            command()
    assert len(world.kube.writes) == before
    assert holder(world) == "elsewhere-7"


def test_what_is_served_already_needs_no_lease(world, clock):
    world.deploy("v1")
    put(world)
    assert not world.deploy("v1").changed


def test_a_roll_out_that_has_died_is_succeeded_in_a_minute(world, clock):
    put(world)
    said = []
    assert world.deploy("v1", said).changed
    assert clock.now - 1000.0 == lease.LASTS
    assert "tops: elsewhere-7 has stopped; going on in its place" in said
    assert holder(world) is None


def test_of_two_that_begin_in_one_moment_one_goes_on(world, clock):
    def beat(call):
        if (call.method, call.plural) == ("POST", "leases"):
            put(world)

    world.kube.meddle = beat
    clock.look = lambda: renew(world, clock)
    with pytest.raises(InputError, match="a roll-out is under way, by elsewhere-7"):
        world.deploy("v1")
    assert world.kube.find("inferenceservices", "tops") is None


def test_of_two_that_succeed_a_dead_one_in_one_moment_one_goes_on(world, clock):
    put(world, "dead-1")

    def beat(call):
        if (call.method, call.plural) == ("PUT", "leases"):
            world.kube.meddle = lambda call: None
            steal(world)

    world.kube.meddle = beat
    with pytest.raises(InputError, match="a roll-out is under way, by elsewhere-7"):
        world.deploy("v1")
    assert world.kube.find("inferenceservices", "tops") is None


def test_a_failed_roll_out_lets_the_next_begin_at_once(world, clock):
    world.kserve.script["v1"] = "crash"
    with pytest.raises(RolloutError):
        world.deploy("v1")
    world.kserve.script.clear()
    world.deploy("v1")
    assert clock.now == 1000.0


def test_a_roll_out_that_was_succeeded_changes_nothing_more(world, clock):
    """As when its machine was asleep: what is served is the other's business now."""
    world.deploy("v1")

    class Sleeper(list):
        def append(self, text):
            if "10 %" in text:
                clock.now += 2 * lease.LASTS
                steal(world)
                self.before = world.kube.find("inferenceservices", "tops")["spec"]

    said = Sleeper()
    with pytest.raises(LostLeaseError, match="elsewhere-7 has taken over this roll-out"):
        world.deploy("v2", said)
    assert world.kube.find("inferenceservices", "tops")["spec"] == said.before
    assert holder(world) == "elsewhere-7"


def test_a_holder_renews_its_lease(world, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.01)
    with hold(world.cluster, "tops", print):
        first = world.kube.find("leases", NAME)["metadata"]["resourceVersion"]
        with world.kube.changed:
            renewed = world.kube.changed.wait_for(
                lambda: world.kube.find("leases", NAME)["metadata"]["resourceVersion"] != first,
                timeout=60,
            )
        assert renewed
        assert holder(world)
    assert holder(world) is None


def test_a_lost_answer_to_a_renewal_is_no_lost_lease(world, clock):
    cluster = world.cluster
    answers = iter([False, True])  # written, but the retry of the request says otherwise
    with hold(cluster, "tops", print):
        write = cluster.write
        cluster.write = lambda *given: write(*given) and next(answers)
        clock.now += 2 * lease.LASTS
        cluster.delete("ConfigMap", "nothing")
        assert next(answers, None) is None
        cluster.write = write
