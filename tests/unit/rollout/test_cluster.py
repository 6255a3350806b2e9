"""What the API server may do to a roll-out: go away, be busy, refuse, and be used by others."""

import pytest

from z1.errors import InputError, RolloutError
from z1.serving import cluster as cluster_module
from z1.serving.comparing import covers
from z1.serving.releases import read_state

WRITES = ("PATCH", "DELETE")


class Outage:
    """From the nth write on, the API server is gone for so many requests."""

    def __init__(self, world, nth, requests, how="drop"):
        self.before, self.left, self.how = nth - 1, requests, how
        world.kube.meddle = self

    def __call__(self, call):
        if self.before and call.method in WRITES:
            self.before -= 1
        elif self.left and (call.method in WRITES or self.begun):
            self.begun = True
            self.left -= 1
            return self.how
        return None

    begun = False


def serving(world):
    assert not world.kserve.gaps
    state = read_state(world.cluster, "tops")
    return state.served.version, state.settled, world.kserve.serving()


# The writes of a second version's roll-out: four make it the canary, up to 100 %, one promotes it,
# and the last records it. Its runtime and budget are there already.
@pytest.mark.parametrize(
    ("nth", "how"), [(1, "drop"), (2, 503), (3, "drop"), (4, 429), (5, "drop"), (6, 503)]
)
def test_a_short_outage_at_any_write_is_waited_for(world, nth, how):
    world.deploy("v1")
    outage = Outage(world, nth, 2, how)
    assert world.deploy("v2").version == "v2"
    assert outage.left == 0
    assert serving(world) == ("v2", True, {"v2": 100})


@pytest.mark.parametrize("nth", range(1, 7))
def test_after_a_long_outage_at_any_write_the_incumbent_serves(world, nth, monkeypatch):
    world.deploy("v1")
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.0)  # so that one request is a long outage
    Outage(world, nth, 1)
    with pytest.raises(RolloutError, match="cannot be reached") as failed:
        world.deploy("v2")
    assert "v1 is put back and serves" in str(failed.value)
    assert serving(world) == ("v1", True, {"v1": 100})


def test_an_outage_without_end_leaves_a_canary_that_the_next_run_goes_on_with(world, monkeypatch):
    world.deploy("v1")
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.0)
    Outage(world, 3, 10**9)
    with pytest.raises(RolloutError, match=r"could not be put back either.*cannot be reached") as e:
        world.deploy("v2")
    assert "`z1 rollback`" in str(e.value)
    world.kube.meddle = lambda call: None
    assert serving(world) == ("v1", False, {"v1": 90, "v2": 10})
    assert world.deploy("v2").version == "v2"
    assert serving(world) == ("v2", True, {"v2": 100})


def test_a_server_that_is_gone_from_the_start_is_named(world, monkeypatch, capsys):
    monkeypatch.setattr(cluster_module, "PATIENCE", 1.0)
    world.kube.stop()
    with pytest.raises(RolloutError, match=f"API server {world.kube.url} cannot be reached"):
        world.deploy("v1")
    assert f"waiting for the API server {world.kube.url} (" in capsys.readouterr().err


def test_watches_that_are_too_old_start_anew(world):
    world.deploy("v1")
    world.kube.oldest = 10**9
    assert world.deploy("v2").version == "v2"


def test_a_field_that_another_manager_took_is_a_clear_conflict(world):
    world.deploy("v1")
    path = ("spec", "predictor", "minReplicas")
    world.kube.edit("kubectl-edit", "inferenceservices", "tops", path, 3)
    with pytest.raises(InputError, match=r"\.spec\.predictor\.minReplicas: .*\"kubectl-edit\""):
        world.deploy("v2")
    live = world.kube.find("inferenceservices", "tops")
    assert live["spec"]["predictor"]["minReplicas"] == 3  # not forced
    assert serving(world) == ("v1", True, {"v1": 100})


def test_a_field_that_another_manager_takes_meanwhile_is_taken_back(world):
    world.deploy("v1")
    path = ("spec", "predictor", "minReplicas")

    class Meddler(list):
        def append(self, text):
            if "10 %" in text:
                world.kube.edit("kubectl-edit", "inferenceservices", "tops", path, 3)

    with pytest.raises(RolloutError, match="v1 is put back and serves"):
        world.deploy("v2", Meddler())
    live = world.kube.find("inferenceservices", "tops")
    assert live["spec"]["predictor"]["minReplicas"] == 1
    assert serving(world) == ("v1", True, {"v1": 100})


def test_what_others_add_is_left_alone(world):
    world.deploy("v1")
    path = ("metadata", "labels", "team")
    world.kube.edit("kubectl-label", "inferenceservices", "tops", path, "maths")
    assert not world.deploy("v1").changed
    world.deploy("v2")
    assert world.kube.find("inferenceservices", "tops")["metadata"]["labels"]["team"] == "maths"


def test_a_service_of_somebody_else_is_not_touched(world):
    predictor = {"name": "x", "minReplicas": 1, "labels": {}, "model": {}}
    thing = {"metadata": {"name": "tops"}, "spec": {"predictor": predictor}}
    world.kube.put("inferenceservices", thing)
    with pytest.raises(InputError, match=r"was not made by z1; give another name"):
        world.deploy("v1")
    assert not world.kube.writes


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (401, "refuses access: .* Check the credentials"),
        (403, "refuses access: .* Check the credentials"),
        (404, "has the cluster KServe 0.20 and the namespace z1"),
        (422, "the API server refuses it"),
    ],
)
def test_a_refusal_before_anything_has_changed_is_told(world, code, advice):
    world.deploy("v1")
    calls = len(world.kube.calls)
    world.kube.meddle = lambda call: code if call.method == "PATCH" else None
    with pytest.raises(InputError, match=advice):
        world.deploy("v2")
    world.kube.meddle = lambda call: None
    assert len([c for c in world.kube.calls[calls:] if c.method == "PATCH"]) == 1  # not again
    assert serving(world) == ("v1", True, {"v1": 100})


def test_values_that_the_definition_refuses_are_told(world):
    world.deploy("v1")
    with pytest.raises(InputError, match=r"spec\.predictor\.minReplicas"):
        world.cluster.apply(
            {
                "apiVersion": "serving.kserve.io/v1beta1",
                "kind": "InferenceService",
                "metadata": {"name": "other"},
                "spec": {"predictor": {"minReplicas": "two"}},
            }
        )


def test_kserves_own_refusal_is_told(world):
    world.deploy("v1")
    with pytest.raises(InputError, match=r"refuses it: .*a canary has autoscaling fields"):
        world.cluster.apply(
            {
                "apiVersion": "serving.kserve.io/v1beta1",
                "kind": "InferenceService",
                "metadata": {
                    "name": "other",
                    "annotations": {"serving.kserve.io/deploymentMode": "Standard"},
                },
                "spec": {
                    "predictor": {"name": "v1"},
                    "canary": [
                        {"trafficPercent": 1, "predictor": {"name": "v2", "maxReplicas": 2}}
                    ],
                },
            }
        )


def test_a_field_left_out_later_is_removed(world):
    def budget(**extra):
        spec = {"maxUnavailable": 1, **extra}
        name = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
        return {**name, "metadata": {"name": "x"}, "spec": spec}

    assert world.cluster.apply(budget(unhealthyPodEvictionPolicy="AlwaysAllow"))
    assert not world.cluster.apply(budget(unhealthyPodEvictionPolicy="AlwaysAllow"))
    assert world.cluster.apply(budget())
    assert world.kube.find("poddisruptionbudgets", "x")["spec"] == {"maxUnavailable": 1}


@pytest.mark.parametrize(
    ("live", "wanted", "covered"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": None}, {"a": {}}, False),
    ],
)
def test_what_is_there_covers_what_is_wanted(live, wanted, covered):
    assert covers(live, wanted) is covered
