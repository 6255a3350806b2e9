"""What is applied fits the published definitions, and the pods are as restricted as they can be."""

import json
from itertools import pairwise

import pytest
from servers.schema import FOLDER, find_problems, load_schemas

from z1.errors import InputError
from z1.recipe import Deployment, ServingPool, ThinkingWindow, Toleration
from z1.serving.manifests import (
    Canary,
    find_service,
    make_budget,
    make_release,
    make_runtime,
    make_service,
)
from z1.serving.published import make_published, read_published

WINDOW = ThinkingWindow()
CHOOSE = lambda steps: "tops"  # noqa: E731
SIZE = 64 * 10**9  # a model of 32 thousand million parameters
FULL = Deployment(
    prometheus="http://prometheus.monitoring:9090",
    min_replicas=2,
    max_replicas=8,
    arguments=["--max-model-len=16384"],
    pool=ServingPool(
        accelerators=2,
        node_selector={"pool": "serving"},
        tolerations=[Toleration(key="nvidia.com/gpu", effect="NoSchedule")],
    ),
)


def make(section=FULL, version="v3", percent=10, window=WINDOW):
    """Return the runtime, the service and the budget of a version beside its canary."""
    published = make_published("tops", version, f"s3://models/tops/{version}", SIZE)
    runtime = make_runtime(section, window, "tops", published.bytes)
    release = make_release(section, published, "tops", runtime)
    newer = make_release(section, published._replace(version="v4"), "tops", runtime)
    canary = Canary(newer, percent) if percent is not None else None
    return runtime, make_service("tops", release, canary), make_budget("tops")


@pytest.fixture(scope="module")
def schemas():
    found = load_schemas()
    if not found:
        pytest.skip(f"{FOLDER} names no folder with KServe's definitions")
    return found


@pytest.mark.parametrize("section", [Deployment(), FULL], ids=["least", "full"])
def test_each_custom_object_fits_its_definition_field_by_field(schemas, section):
    for manifest in make(section)[:2]:
        schema = schemas[manifest["apiVersion"], manifest["kind"]]
        assert list(find_problems(schema, manifest)) == []


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("predictor", "minReplica"), 1, "spec.predictor.minReplica"),
        (("predictor", "minReplicas"), "1", "spec.predictor.minReplicas"),
        (("predictor", "name"), "3", "spec.predictor.name"),
        (("predictor", "scaleMetric"), "latency", "spec.predictor.scaleMetric"),
        (("canary",), [{"predictor": {}}], "spec.canary[0].trafficPercent"),
        (
            ("canary",),
            [{"predictor": {}, "trafficPercent": 101}],
            "spec.canary[0].trafficPercent",
        ),
    ],
)
def test_the_check_finds_what_does_not_fit(schemas, path, value, field):
    manifest = make()[1]
    place = manifest["spec"]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    schema = schemas[manifest["apiVersion"], manifest["kind"]]
    assert [problem.field for problem in find_problems(schema, manifest)] == [field]


def container(section=FULL, **settings):
    [found] = make(section, **settings)[0]["spec"]["containers"]
    return found


def test_pods_are_restricted():
    runtime, service, _ = make()
    found = container()
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    predictor = service["spec"]["predictor"]
    assert predictor["securityContext"]["runAsNonRoot"]
    assert predictor["automountServiceAccountToken"] is False
    writable = {mount["name"]: mount["mountPath"] for mount in found["volumeMounts"]}
    assert writable == {"scratch": "/tmp", "shared-memory": "/dev/shm"}
    assert all("emptyDir" in volume for volume in runtime["spec"]["volumes"])


def test_the_api_key_comes_from_the_secret_alone():
    [key] = [item for item in container()["env"] if item["name"] == "VLLM_API_KEY"]
    assert key["valueFrom"] == {"secretKeyRef": {"name": "z1-api-key", "key": "api-key"}}
    assert "value" not in key


@pytest.mark.parametrize(
    ("size", "minutes", "seconds"),
    [(SIZE, None, 940), (10**9, None, 310), (None, None, 1800), (SIZE, 5, 300)],
)
def test_the_startup_probe_waits_as_long_as_the_model_takes_to_load(size, minutes, seconds):
    section = Deployment(load_minutes=minutes)
    runtime = make_runtime(section, ThinkingWindow(), "tops", size)
    probe = runtime["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds


def test_the_server_gets_window_budgets_and_name():
    arguments = container()["args"]
    assert arguments[0] == "/mnt/models"
    pairs = dict(pairwise(arguments))
    assert pairs["--hint"] == ThinkingWindow().hint
    budgets = [pairs[f"--budget-{effort}"] for effort in ("low", "medium", "high")]
    assert budgets == ["256", "1024", "4096"]
    assert arguments[arguments.index("--") :] == [
        *("--", "--served-model-name", "tops", "--tensor-parallel-size", "2"),
        "--max-model-len=16384",
    ]


def test_a_hint_is_nothing_to_kubernetes_or_kserve():
    arguments = container(window=ThinkingWindow(hint="so $(HOME) is"))["args"]
    assert "so $$(HOME) is" in arguments
    with pytest.raises(InputError, match=r"window\.hint"):
        make(window=ThinkingWindow(hint="so {{.Name}}"))


def test_a_pod_takes_accelerators_from_its_pool():
    runtime, service, _ = make()
    resources = service["spec"]["predictor"]["model"]["resources"]
    assert resources["limits"] == {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"}
    assert resources["requests"] == resources["limits"]
    assert runtime["spec"]["nodeSelector"] == {"pool": "serving"}
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert runtime["spec"]["tolerations"] == [taint]


def test_keda_scales_by_the_requests_running():
    service = make()[1]
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "keda"
    [metric] = service["spec"]["predictor"]["autoScaling"]["metrics"]
    query = metric["external"]["metric"]["query"]
    assert 'vllm:num_requests_running{namespace="z1",model_name="tops"}' in query
    assert metric["external"]["target"] == {"type": "Value", "value": "32"}


def test_without_prometheus_the_number_of_pods_is_fixed():
    service = make(Deployment(min_replicas=2))[1]
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    predictor = service["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 2)
    assert "autoScaling" not in predictor


@pytest.mark.parametrize(("percent", "pods"), [(0, 1), (10, 1), (50, 1), (51, 2), (100, 2)])
def test_a_canary_has_pods_for_its_requests(percent, pods):
    service = make(percent=percent)[1]
    [trial] = service["spec"]["canary"]
    assert trial["trafficPercent"] == percent
    assert trial["predictor"]["minReplicas"] == pods
    assert not {"maxReplicas", "autoScaling"} & set(trial["predictor"])


def test_a_canary_is_what_the_predictor_will_be():
    old, new = (
        make_release(FULL, make_published("tops", v, f"s3://m/{v}"), "tops", make()[0])
        for v in ("v3", "v4")
    )
    trial = make_service("tops", old, Canary(new, 100))["spec"]["canary"][0]["predictor"]
    promoted = make_service("tops", new, None)["spec"]["predictor"]
    kept = {k: v for k, v in promoted.items() if k not in ("maxReplicas", "autoScaling")}
    assert trial == {**kept, "model": {**kept["model"], "name": ""}}  # a name that says nothing


def test_nothing_that_all_pods_get_changes_from_version_to_version():
    metadata = [
        make(version=version, percent=percent)[1]["metadata"]
        for version, percent in [("v3", None), ("v3", 10), ("v4", None)]
    ]
    assert metadata[0] == metadata[1] == metadata[2]


def test_other_settings_make_another_runtime():
    names = {
        make(section)[0]["metadata"]["name"]
        for section in (FULL, FULL, Deployment(), FULL.model_copy(update={"image": "z1-vllm:2"}))
    }
    assert len(names) == 3
    assert all(name.startswith("tops-") for name in names)


def test_a_budget_lets_a_node_be_drained():
    spec = make()[2]["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["selector"] == {"matchLabels": {"serving.kserve.io/inferenceservice": "tops"}}


@pytest.mark.parametrize("name", ["z1.demo", "3d", "Tops", "a" * 41])
def test_a_name_that_no_service_can_have_is_refused(name):
    published = make_published(name, "v1", "s3://models/x")
    with pytest.raises(InputError, match=r"give one under deploy\.service"):
        find_service(Deployment(), published)
    assert find_service(Deployment(service="other"), published) == "other"


@pytest.mark.parametrize(("version", "address"), [("3", "s3://b/k"), ("v1", "b/k"), ("v1", "s3:")])
def test_what_is_no_published_model_is_refused(version, address):
    with pytest.raises(InputError):
        make_published("tops", version, address)


def test_a_published_model_is_read_from_its_folder(tmp_path):
    def write(**versions):
        (tmp_path / "versions.json").write_text(json.dumps({"registry": "r", "versions": versions}))

    with pytest.raises(InputError, match="not the output of the publish stage"):
        read_published(tmp_path, CHOOSE)
    write()
    with pytest.raises(InputError, match="no model of the step 'tops' was published"):
        read_published(tmp_path, CHOOSE)
    outcome = {"version": "z1-demo@v3", "content": "s3://b/k", "new": True}
    write(tops=outcome)
    assert read_published(tmp_path, CHOOSE) == ("z1-demo", "v3", "s3://b/k", None)
    write(tops=outcome | {"size": 7})
    assert read_published(tmp_path, CHOOSE).bytes == 7
    write(tops={"version": "z1-demo@v3"})
    with pytest.raises(InputError, match="not the output of the publish stage"):
        read_published(tmp_path, CHOOSE)
