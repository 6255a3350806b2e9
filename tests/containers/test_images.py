"""The images, run as a cluster's restricted pods run them: another user, a read-only root, no
capability. ``make test-containers`` builds them and runs this; elsewhere it skips."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import local

from z1.stages import read_record
from z1_pipelines.tops_pipeline import tops_pipeline

ROOT = Path(__file__).parents[2]
IMAGES = ["z1-cpu", "z1-train", "z1-vllm"]
RESTRICTED = {
    "read_only": True,
    "tmpfs": {"/tmp": "exec", "/var/tmp": "exec"},  # as emptyDir volumes are
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "network": "none",
    "environment": {"OMP_NUM_THREADS": "1"},  # the model is too small to gain by more
}
STEPS = (
    *("problems", "seed-replies", "seed-verdicts", "seed", "tag", "replies", "verdicts"),
    *("shortest", "tops", "random-right", "random", "iter-replies", "iter-verdicts"),
    *("chosen", "iter-sft", "pairs", "iter-dpo", "evaluate"),
)

if not os.environ.get("Z1_TEST_CONTAINERS"):
    pytest.skip("`make test-containers` runs these", allow_module_level=True)
docker = pytest.importorskip("docker")


@pytest.fixture(scope="module")
def client() -> Any:
    try:
        found = docker.from_env()
        found.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker daemon: {error}")
    return found


def run(client: Any, image: str, *command: str, **options: Any) -> str:
    """Run a command in a restricted container and return what it prints."""
    given = {**RESTRICTED, **options}
    given["environment"] = {**RESTRICTED["environment"], **options.get("environment", {})}
    output: bytes = client.containers.run(
        f"{image}:latest", list(command), remove=True, stderr=True, **given
    )
    return output.decode()


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_restricted_as_a_plain_user(client, image):
    shown = run(client, image, "sh", "-c", "id -u; z1 --version; touch /opt/z1/x 2>&1 || true")
    user, version, refused, *_ = shown.splitlines()
    assert user == "10001"
    assert version.startswith("z1, version")
    assert "Read-only file system" in refused


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_keeps_no_secret_nor_where_its_packages_came_from(client, image):
    attributes = client.images.get(f"{image}:latest").attrs
    names = [line.partition("=")[0] for line in attributes["Config"]["Env"]]
    secret = ("_TOKEN", "_KEY", "_SECRET", "_PASSWORD", "_INDEX_URL")
    assert not [name for name in names if name.endswith(secret)]
    assert attributes["Config"]["User"] == "10001:10001"
    run(client, image, "sh", "-c", "! [ -e /etc/pip.conf ] && ! [ -e /opt/z1/pip.conf ]")


@pytest.mark.parametrize(
    ("image", "imports", "absent"),
    [
        ("z1-cpu", "kfp.dsl, math_verify, reasoning_gym, dvc, boto3", "torch"),
        ("z1-train", "kfp.dsl, torch, trl, peft, math_verify, boto3", "vllm"),
        ("z1-vllm", "kfp.dsl, torch, vllm, transformers, math_verify, boto3", "trl"),
    ],
)
def test_an_image_holds_what_its_stages_need_and_no_more(client, image, imports, absent):
    run(client, image, "env", "_KFP_RUNTIME=true", "python3", "-c", f"import {imports}")
    look = f"import importlib.util as u, sys; sys.exit(u.find_spec({absent!r}) is not None)"
    run(client, image, "python3", "-c", look)


def test_attacks_are_contained_in_a_restricted_pod(client, tmp_path):
    """The same corpus as in the unit tests; user namespaces are blocked, so Landlock holds it."""
    tools = tmp_path / "tools"
    wanted = ["pytest", "pytest-timeout", "psutil", "hypothesis"]
    install = [os.environ.get("PIP", "pip"), "install", "--quiet", "--target", str(tools)]
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), *wanted], check=True)
    tools.chmod(0o755)
    tmp_path.chmod(0o755)
    mounted = ["tests", "recipes", "pyproject.toml"]
    shown = run(
        client,
        "z1-cpu",
        *("python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs"),
        "tests/unit/verifiers/test_code_attacks.py",
        working_dir="/project",
        environment={"PYTHONPATH": "/tools"},
        volumes=[
            f"{tools}:/tools:ro",
            *(f"{ROOT / name}:/project/{name}:ro" for name in mounted),
        ],
    )
    passed = shown.splitlines()[-1]
    assert "passed" in passed, shown
    assert "failed" not in passed
    assert "landlock:" not in shown  # skipped


def small(content: dict[str, Any]) -> dict[str, Any]:
    """Make the demo's recipe small: few problems, short replies, short training."""
    sampling = {"max_tokens": 64, "batch_size": 128}
    for source in content["problems"]["sources"]:
        source["count"] = 40
    for section in ("generate", "iterate"):
        content[section].update(sampling)
    content["evaluate"]["sampling"].update(sampling)
    content["evaluate"].update(seeds=[1], resamples=100, budgets=[])
    for training in content["train"].values():
        training.update(batch_size=8, device_batch_size=8, epochs=1)
    return content


@pytest.mark.timeout(3600)
def test_the_tops_pipeline_runs_in_its_images(client, tmp_path, capfd):
    content = small(yaml.safe_load((ROOT / "recipes" / "demo.yaml").read_text()))
    root = tmp_path / "root"
    root.mkdir()
    for folder in (root, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path(folder.anchor):
            folder.chmod(0o777 if folder == root else folder.stat().st_mode | 0o111)
    before = os.umask(0)  # kfp makes folders that the containers' user writes to
    try:
        local.init(runner=local.DockerRunner(**RESTRICTED), pipeline_root=str(root))
        tops_pipeline(recipe=json.dumps(content))
    finally:
        os.umask(before)
    records = {path.parent.name: read_record(path.parent) for path in root.rglob("*/stage.json")}
    assert set(records) >= set(STEPS)
    assert all(records[step]["kept"] for step in STEPS)
    [report] = root.rglob("evaluate/report.json")
    figures = json.loads(report.read_text())
    assert {model["name"] for model in figures["models"]} == {
        *("base", "tag", "random", "tops", "iter-sft", "iter-dpo"),
    }
