"""What KServe and the Deployment say together."""

import copy

import pytest

from z1.serving.manifests import RELEASE, Release
from z1.serving.readiness import is_ready, is_rolled_out

V2 = Release("v2", {"name": "v2", "annotations": {RELEASE: "new"}})
LIVE = {
    "metadata": {"generation": 3},
    "spec": {"predictor": {"name": "v2"}},
    "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]},
}
DEPLOYMENT = {
    "metadata": {"generation": 2},
    "spec": {"replicas": 2, "template": {"metadata": {"annotations": {RELEASE: "new"}}}},
    "status": {
        "observedGeneration": 2,
        "replicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
    },
}


def changed(thing, path, value):
    thing = copy.deepcopy(thing)
    place = thing
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return thing


TRIAL = {"name": "v2", "ready": True, "trafficPercent": 10}


@pytest.mark.parametrize(
    ("trials", "percent", "ready"),
    [
        ([], None, True),
        ([TRIAL], None, False),  # KServe has not seen the promotion yet
        ([TRIAL], 10, True),
        ([TRIAL], 50, False),  # nor the next step
        ([TRIAL | {"ready": False}], 10, False),
        ([TRIAL | {"name": "v1"}], 10, False),
        ([], 10, False),
    ],
)
def test_kserves_word_counts_when_it_is_on_what_was_asked(trials, percent, ready):
    live = changed(LIVE, ("status", "canaryStatuses"), trials)
    assert is_ready(live, "v2", percent) is ready


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("metadata", "generation"), 3),
        (("status", "replicas"), 3),  # one of before is still there
        (("status", "updatedReplicas"), 1),
        (("status", "availableReplicas"), 1),
        (("spec", "template", "metadata", "annotations"), {RELEASE: "old"}),
        (("spec", "template", "metadata", "annotations"), {}),
    ],
)
def test_a_deployment_under_way_is_not_rolled_out(path, value):
    assert is_rolled_out(LIVE, DEPLOYMENT, V2)
    assert not is_rolled_out(LIVE, changed(DEPLOYMENT, path, value), V2)


def test_without_a_deployment_kserves_newest_word_has_to_do():
    assert not is_rolled_out(LIVE, None, V2)
    assert is_rolled_out(changed(LIVE, ("status", "observedGeneration"), 3), None, V2)
