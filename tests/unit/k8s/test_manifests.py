import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from z1.recipe import find_recipe
from z1_pipelines.job import prepare, read_settings

RENDERED = ("overlays/small", "overlays/cloud", "model-cache")
OVERLAYS = ("overlays/small", "overlays/cloud")
CUSTOM = ("monitoring.coreos.com/v1", "trainer.kubeflow.org/v1alpha1")
VERSIONS = ("1.34", "1.37")  # of Kubernetes: the oldest still cared for, and the newest

# The fields of monitoring.coreos.com/v1 as its published types have them.
PODMONITOR = {
    "attachMetadata", "jobLabel", "namespaceSelector", "podMetricsEndpoints", "podTargetLabels",
    "sampleLimit", "selector",
}  # fmt: skip
ENDPOINT = {"honorLabels", "interval", "metricRelabelings", "path", "port", "relabelings", "scheme"}
RELABELING = {
    "action",
    "modulus",
    "regex",
    "replacement",
    "separator",
    "sourceLabels",
    "targetLabel",
}
GROUP = {"interval", "limit", "name", "rules"}
RULE = {"alert", "annotations", "expr", "for", "labels", "record"}


def find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name))


def sources(folder: Path) -> list[dict[str, Any]]:
    """All documents of the tree, kustomizations among them."""
    return [
        document
        for path in sorted(folder.rglob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


def values(tree: Any, key: str) -> list[Any]:
    """All values under a key, however deep."""
    if isinstance(tree, list):
        return [value for item in tree for value in values(item, key)]
    if not isinstance(tree, dict):
        return []
    deeper = [value for item in tree.values() for value in values(item, key)]
    return ([tree[key]] if key in tree else []) + deeper


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", RENDERED)
def test_kubernetes_knows_every_field_of_the_core_objects(render, path, version):
    core = [found for found in render(path) if found["apiVersion"] not in CUSTOM]
    assert core
    for found in core:
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("path", OVERLAYS)
def test_the_prometheus_operator_knows_every_field_of_its_objects(render, path):
    monitor = find(render(path), "PodMonitor", "z1-serving")["spec"]
    assert set(monitor) <= PODMONITOR
    for endpoint in monitor["podMetricsEndpoints"]:
        assert set(endpoint) <= ENDPOINT
        for relabeling in endpoint["relabelings"]:
            assert set(relabeling) <= RELABELING
    spec = find(render(path), "PrometheusRule", "z1")["spec"]
    assert set(spec) == {"groups"}
    for group in spec["groups"]:
        assert set(group) <= GROUP
        for rule in group["rules"]:
            assert set(rule) <= RULE
            assert {"summary", "description"} <= set(rule["annotations"])


@pytest.mark.parametrize("path", RENDERED)
def test_names_are_not_used_twice(render, path):
    names = [
        (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in render(path)
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("path", "namespace"), [("overlays/small", "kubeflow"), ("overlays/cloud", "z1")]
)
def test_all_is_in_the_one_namespace_in_which_kfp_runs_steps(render, path, namespace):
    whole = {"Namespace", "PriorityClass"}
    placed = [o["metadata"].get("namespace") for o in render(path) if o["kind"] not in whole]
    assert set(placed) == {namespace}
    assert set(values([o.get("subjects") for o in render(path)], "namespace")) == {namespace}


def test_a_kfp_without_profiles_keeps_its_namespace_and_is_not_counted(render):
    kinds = [o["kind"] for o in render("overlays/small")]
    assert "Namespace" not in kinds
    assert "LimitRange" not in kinds
    quotas = [o for o in render("overlays/small") if o["kind"] == "ResourceQuota"]
    assert [list(quota["spec"]["hard"]) for quota in quotas] == [["requests.nvidia.com/gpu"]]


@pytest.mark.parametrize("path", OVERLAYS)
def test_every_setting_gets_to_its_place(render, folder, tmp_path, path):
    copy = tmp_path / "k8s"
    shutil.copytree(folder, copy)
    file = copy / path / "settings.yaml"
    settings = yaml.safe_load(file.read_text())
    marks = {name: f"mark-{name.lower()}" for name in settings["data"]}
    settings["data"] = {**marks, "s3Url": f"http://{marks['s3Url']}"}
    file.write_text(yaml.safe_dump(settings))
    text = yaml.safe_dump_all(render(str(copy / path)))
    for mark in marks.values():
        assert mark in text
    assert "SET-IN-SETTINGS" not in text
    assert "192.0.2." not in text
    assert not [o for o in render(str(copy / path)) if o["metadata"]["name"] == "z1-settings"]


@pytest.mark.parametrize("path", OVERLAYS)
def test_kserve_and_the_steps_find_the_same_s3(render, path):
    environment = find(render(path), "ConfigMap", "z1-s3")["data"]
    read = find(render(path), "Secret", "z1-s3")["metadata"]["annotations"]
    scheme = {"0": "http", "1": "https"}[read["serving.kserve.io/s3-usehttps"]]
    host = read["serving.kserve.io/s3-endpoint"]
    assert environment["AWS_ENDPOINT_URL"] == f"{scheme}://{host}"
    assert environment["AWS_DEFAULT_REGION"] == read["serving.kserve.io/s3-region"]
    account = find(render(path), "ServiceAccount", "z1-serving")
    assert account["secrets"] == [{"name": "z1-s3"}]


def test_the_small_clusters_s3_is_where_its_settings_say(render):
    objects = render("overlays/small")
    service = find(objects, "Service", "z1-s3")
    meta, port = service["metadata"], service["spec"]["ports"][0]["port"]
    url = find(objects, "ConfigMap", "z1-s3")["data"]["AWS_ENDPOINT_URL"]
    assert url == f"http://{meta['name']}.{meta['namespace']}.svc:{port}"


def test_serving_goes_before_training_and_training_before_sampling(render):
    classes = {
        o["metadata"]["name"]: o for o in render("overlays/cloud") if o["kind"] == "PriorityClass"
    }
    order = [classes[name]["value"] for name in ("z1-serving", "z1-training", "z1-sampling")]
    assert order == sorted(order, reverse=True)
    assert len(set(order)) == 3
    assert classes["z1-sampling"]["preemptionPolicy"] == "Never"
    assert not any(o.get("globalDefault") for o in classes.values())


def test_what_the_quota_counts_every_container_has(render):
    """Kubernetes refuses pods that leave open what a quota counts; KFP's own containers do."""
    objects = render("overlays/cloud")
    hard = find(objects, "ResourceQuota", "z1-namespace")["spec"]["hard"]
    [limits] = find(objects, "LimitRange", "z1-defaults")["spec"]["limits"]
    counted = {name for name in ("cpu", "memory") if f"requests.{name}" in hard}
    assert set(limits["defaultRequest"]) == counted
    assert not any(name.startswith("limits.") for name in hard)
    assert "default" not in limits


@pytest.mark.parametrize("path", ["overlays/small", "overlays/cloud"])
def test_pools_are_valid_values_of_pipeline_parameters(render, path):
    pools = find(render(path), "ConfigMap", "z1-pools")["data"]
    compiled = Path(__file__).parents[3] / "pipelines" / "compiled" / "tops.yaml"
    spec = next(yaml.safe_load_all(compiled.read_text()))
    given = read_settings(pools.items(), spec["root"]["inputDefinitions"]["parameters"])
    for pool in ("sampling", "training"):
        assert given.get(f"{pool}_node_selector", {"z1/pool": pool}) == {"z1/pool": pool}
        for toleration in given.get(f"{pool}_tolerations", []):
            assert set(toleration) <= {"key", "operator", "value", "effect", "tolerationSeconds"}
        assert int(given[f"{pool}_accelerators"]) > 0
    count = len(given.get("shards", ["1/1"]))
    assert given.get("shards", ["1/1"]) == [f"{n}/{count}" for n in range(1, count + 1)]


@pytest.mark.parametrize("name", ["tops-qwen2.5-32b", "tops-llama3.1-8b", "z1-qwen2.5-coder-7b"])
def test_the_papers_recipes_fit_into_the_clouds_pools(render, name):
    pools = find(render("overlays/cloud"), "ConfigMap", "z1-pools")["data"]
    assert prepare(find_recipe(name), pools.items()).name == name


def test_what_steps_name_is_there(render, folder):
    """Secrets, ConfigMaps with their keys, and the volume, as the compiled pipelines name them."""
    made = {(o["kind"], o["metadata"]["name"]): o.get("data") for o in render(str(folder / "base"))}
    compiled = Path(__file__).parents[3] / "pipelines" / "compiled"
    found = set()
    for path in compiled.iterdir():
        _, platform = yaml.safe_load_all(path.read_text())
        pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
        for pod in pods:
            for source in pod.get("configMapAsEnv", []):
                keys = {entry["configMapKey"] for entry in source["keyToEnv"]}
                assert keys == set(made["ConfigMap", source["configMapName"]])
            for kind, entries, name in (
                ("Secret", pod.get("secretAsEnv", []), "secretName"),
                ("PersistentVolumeClaim", pod.get("pvcMount", []), "constant"),
            ):
                found |= {(kind, entry[name]) for entry in entries}
            for volume in pod.get("pvcMount", []):
                assert made["ConfigMap", "z1-hub"]["HF_HUB_CACHE"] == volume["mountPath"]
    assert found <= set(made)
    assert {kind for kind, _ in found} == {"Secret", "PersistentVolumeClaim"}


@pytest.mark.parametrize("path", OVERLAYS)
def test_where_the_hub_can_be_reached_steps_do_not_live_on_the_cache_alone(render, path):
    assert ("ConfigMap", "z1-hub") not in {(o["kind"], o["metadata"]["name"]) for o in render(path)}


def test_every_image_is_one_that_a_kustomization_names(folder):
    documents = sources(folder)
    given = [o for o in documents if o["kind"] not in ("Kustomization", "Component")]
    used = set(values(given, "image"))
    named = {
        entry["name"]
        for o in documents
        if o["kind"] in ("Kustomization", "Component")
        for entry in o.get("images", [])
    }
    assert used == named


def test_no_secret_is_in_the_tree(folder):
    for document in sources(folder):
        assert "secretGenerator" not in document
        if document["kind"] == "Secret":
            assert set(document) == {"apiVersion", "kind", "metadata"}
    text = "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert not re.search(r"AKIA[0-9A-Z]{16}|hf_[A-Za-z0-9]{20,}|PRIVATE KEY", text)


def test_the_model_cache_is_filled_where_steps_look_for_it(render):
    [job] = [o for o in render("model-cache") if o["kind"] == "Job"]
    claim = job["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert find(render("overlays/cloud"), "PersistentVolumeClaim", claim)
    config = job["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    assert "MODEL" in find(render("model-cache"), "ConfigMap", config)["data"]


@pytest.mark.parametrize("path", RENDERED)
def test_names_of_other_objects_are_right(render, path):
    """What a pod of ours names, besides secrets' keys, is made by us as well."""
    made = {(o["kind"], o["metadata"]["name"]) for p in RENDERED for o in render(p)}
    for found in render(path):
        for reference in values(found, "secretRef") + values(found, "secretKeyRef"):
            assert ("Secret", reference["name"]) in made
        for reference in values(found, "configMapRef"):
            assert reference.get("optional") or ("ConfigMap", reference["name"]) in made
        for name in values(found, "priorityClassName"):
            assert ("PriorityClass", name) in made
        for name in values(found, "serviceAccountName"):
            assert ("ServiceAccount", name) in made
        if found["kind"] == "RoleBinding":
            assert ("Role", found["roleRef"]["name"]) in made
            assert all(("ServiceAccount", s["name"]) in made for s in found["subjects"])


def test_kubectl_is_asked_for_what_it_can_do(folder):
    """Nothing in the tree needs a plug-in or a download."""
    for document in sources(folder):
        for key in ("generators", "transformers", "helmCharts", "validators"):
            assert key not in document
        for resource in [*document.get("resources", []), *document.get("components", [])]:
            if document["kind"] in ("Kustomization", "Component"):
                assert not resource.startswith(("http:", "https:", "git"))
