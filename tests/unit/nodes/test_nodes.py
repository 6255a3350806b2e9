"""A training on several nodes: its TrainJob, and what the nodes and the step do.

What the processes on the nodes do here is no training, which takes long: that two processes learn
what one does is tested in ``training/test_launch.py``, and to them nodes are only a port.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from servers.kube import KubeServer
from servers.schema import FOLDER, find_problems, load_schemas
from servers.trainer import Trainer

from z1 import nodes
from z1.errors import InputError, RunError
from z1.models import load_tokenizer
from z1.nodes import train_on_nodes, watching
from z1.nodes.trainjob import make_trainjob
from z1.nodes.watching import follow
from z1.recipe import BaseModelSection, Toleration, TrainingNode, parse_recipe
from z1.serving import cluster as cluster_module
from z1.serving.cluster import Cluster, UnreachableError, connect
from z1.tiny import MODEL
from z1.training.job import Job
from z1.versioning import local
from z1.versioning.connection import Connection, parse_address

ROOT = Path(__file__).parents[3]
KEY = "0123456789abcdef" * 4
NAME = "z1-iter-sft-0123456789ab"

# A node as it is, but for the program of its processes.
NODE = """
import sys
from z1.training import launch
launch.WORKER = (sys.argv.pop(1),)
from z1.nodes.node import main
main()
"""
# Checkpoint and model of the first process; the second fails once the checkpoint is in S3.
WORKER = """
import json, os, shutil, sys, time
from pathlib import Path
from z1.versioning.s3 import find
job, output, events = map(Path, sys.argv[1:])
first, last = os.environ["RANK"] == "0", output / "checkpoints" / "checkpoint-6"
def tell(**event):
    with events.open("a") as file:
        file.write(json.dumps(event) + "\\n")
assert os.environ["WORLD_SIZE"] == "2" and (job / "model" / "config.json").is_file()
if last.exists():
    assert (last / "weights").read_text() == "half-trained"
    if first:
        tell(done=12, total=12)
        shutil.rmtree(output / "checkpoints")
        (output / "model.safetensors").write_text("trained")
        tell(trained={"steps": 12, "loss": 0.5})
    sys.exit()
if first:
    last.mkdir(parents=True)
    (last / "weights").write_text("half-trained")
    tell(kept=str(last))
    time.sleep(600)
while not find(f"{os.environ['KEPT']}/output/checkpoints/checkpoint-6"):
    time.sleep(0.1)
sys.exit("ValueError: no kernel for this GPU")
"""


@pytest.fixture
def kube(monkeypatch):
    monkeypatch.setattr(cluster_module, "LOOK", 0.5)
    monkeypatch.setattr(watching, "PAUSE", 0.1)
    server = KubeServer()
    yield server
    server.stop()


@pytest.fixture
def cluster(kube):
    return Cluster(connect(server=kube.url), "z1")


@pytest.fixture
def address(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    port = local.find_port()
    try:
        process = local.start(tmp_path / "s3", port)
    except InputError as error:
        pytest.skip(str(error))
    for name, value in local.make_environment(port).items():
        monkeypatch.setenv(name, value)
    yield f"s3://{local.BUCKET}/runs"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def training(demo):
    changes = {"batch_size": 16, "nodes": 2, "processes": 1}
    return demo.train.iter_sft.model_copy(update=changes)


@pytest.fixture
def manifest(training):
    return make_trainjob("iter-sft", KEY, "s3://z1-local/runs/key", training, None)


def complete(kube):
    done = {"type": "Complete", "status": "True", "reason": "JobsCompleted", "message": "done"}
    kube.set_status("trainjobs", NAME, {"conditions": [done]})


def when_there(kube, act, is_there=lambda found: found):
    """Act as soon as the TrainJob is as said, while the test waits for something else."""

    def wait():
        while not is_there(kube.find("trainjobs", NAME)):
            time.sleep(0.05)
        act()

    threading.Thread(target=wait, daemon=True).start()


def test_a_training_on_two_nodes_goes_on_after_one_has_failed(
    demo, training, kube, cluster, address, tmp_path, monkeypatch
):
    content = demo.model_dump(mode="json")
    recipe = parse_recipe({**content, "checkpoints": address}, "recipe", Path.cwd())
    tokenizer = load_tokenizer("tiny")
    start = BaseModelSection(path=str(MODEL))
    job = Job("sft", start, tokenizer, [{"input_ids": [1], "labels": [1]}], training, 0, False)
    monkeypatch.setattr(nodes, "find_cluster", lambda node: cluster)
    monkeypatch.setenv("KEPT", f"{address}/{KEY}.nodes")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "worker.py").write_text(WORKER)
    (tmp_path / "output").mkdir()
    command = [sys.executable, "-c", NODE, str(tmp_path / "worker.py")]
    trainer = Trainer(kube, tmp_path, lambda job: command)
    seen: list[tuple[int, int]] = []

    def attempt():
        report = lambda *done: seen.append(done)  # noqa: E731
        return train_on_nodes(recipe, KEY, "iter-sft", tmp_path / "output", report, job)

    try:
        with pytest.raises(RunError) as failed:
            attempt()
        assert f"TrainJob {NAME} failed: container node of pod {NAME}-node-0-1" in str(failed.value)
        assert "ended with code 1" in str(failed.value)
        assert "ValueError: no kernel for this GPU" in str(failed.value)
        assert kube.find("trainjobs", NAME) is None
        assert attempt() == {"steps": 12, "loss": 0.5}
    finally:
        trainer.stop()
    assert kube.find("trainjobs", NAME) is None
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["model.safetensors"]
    place = Connection(parse_address(address))
    assert list(place.list("list_objects_v2", "Contents", Prefix="runs/")) == []


def test_a_step_that_is_told_to_end_takes_its_trainjob_away(kube, cluster, manifest):
    before = signal.getsignal(signal.SIGTERM)
    when_there(kube, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as ended:
        follow(cluster, manifest, lambda *_: None)
    assert ended.value.code == 128 + signal.SIGTERM
    assert kube.find("trainjobs", NAME) is None
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_step_that_is_started_again_watches_the_trainjob_that_runs(kube, cluster, manifest):
    cluster.apply(manifest)
    kube.calls.clear()
    when_there(
        kube, lambda: complete(kube), lambda _: any(c.query.get("watch") for c in kube.calls)
    )
    follow(cluster, manifest, lambda *_: None)
    assert [call.method for call in kube.writes] == ["DELETE"]


def test_a_trainjob_that_has_failed_before_is_made_anew(kube, cluster, manifest):
    cluster.apply(manifest)
    old = kube.find("trainjobs", NAME)["metadata"]["uid"]
    failed = {"type": "Failed", "status": "True", "reason": "JobsFailed", "message": "gone"}
    kube.set_status("trainjobs", NAME, {"conditions": [failed]})

    def is_new(found):
        return found and found["metadata"]["uid"] != old

    when_there(kube, lambda: complete(kube), is_new)
    follow(cluster, manifest, lambda *_: None)
    assert [call.method for call in kube.writes] == ["PATCH", "DELETE", "PATCH", "DELETE"]


def test_a_trainjob_goes_on_while_nobody_can_reach_the_api_server(
    kube, cluster, manifest, monkeypatch
):
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.0)
    kube.meddle = lambda call: "drop" if kube.find("trainjobs", NAME) else None
    with pytest.raises(UnreachableError):
        follow(cluster, manifest, lambda *_: None)
    assert kube.find("trainjobs", NAME)


def test_what_keeps_a_node_from_starting_is_printed(kube, cluster, manifest, capsys):
    told = 'Back-off pulling image "z1-train:9"'
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": told}}}
    status = {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "node", "image": "z1-train:9", **waiting}],
    }
    labels = {"jobset.sigs.k8s.io/jobset-name": NAME}
    pod = {"kind": "Pod", "metadata": {"name": "p", "labels": labels}, "status": status}
    kube.put("pods", pod)
    when_there(
        kube, lambda: complete(kube), lambda _: sum(c.plural == "pods" for c in kube.calls) > 1
    )
    follow(cluster, manifest, lambda *_: None)
    assert f"waits: the image z1-train:9 of pod p cannot be had: {told}" in capsys.readouterr().out


def test_the_first_nodes_progress_is_the_steps(kube, cluster, manifest):
    line = json.dumps({"z1_progress": "iter-sft", "done": 3, "total": 12})
    other = json.dumps({"z1_progress": "upload, MiB", "done": 0, "total": 1})
    for number, text in (("0", f"loading\n{line}\n{other}\n"), ("1", "")):
        labels = {
            "jobset.sigs.k8s.io/jobset-name": NAME,
            "batch.kubernetes.io/job-completion-index": number,
        }
        kube.logs[f"p{number}", False] = text
        kube.put("pods", {"kind": "Pod", "metadata": {"name": f"p{number}", "labels": labels}})
    seen: list[tuple[int, int]] = []
    follow(cluster, manifest, lambda *done: (seen.append(done), complete(kube)))
    assert seen[0] == (3, 12)


NODES = TrainingNode(
    image="registry.example/z1-train@sha256:0",
    node_selector={"z1/pool": "training"},
    tolerations=[Toleration(key="nvidia.com/gpu", effect="NoSchedule")],
)


@pytest.mark.parametrize("node", [None, NODES, TrainingNode(accelerators=0)])
def test_the_trainjob_fits_its_definition_field_by_field(training, node):
    schemas = load_schemas()
    if not schemas:
        pytest.skip(f"{FOLDER} names no folder with Trainer's definitions")
    manifest = make_trainjob("Iter SFT!", KEY, "s3://bucket/key", training, node)
    assert manifest["metadata"]["name"] == NAME
    schema = schemas[manifest["apiVersion"], "TrainJob"]
    assert list(find_problems(schema, manifest)) == []


def test_the_runtime_fits_its_definition_field_by_field():
    schemas = load_schemas()
    if not schemas:
        pytest.skip(f"{FOLDER} names no folder with Trainer's definitions")
    runtime = yaml.safe_load((ROOT / "k8s/components/trainer/runtime.yaml").read_text())
    # A TrainingRuntime differs from a ClusterTrainingRuntime in its scope alone.
    schema = schemas[runtime["apiVersion"], "ClusterTrainingRuntime"]
    assert list(find_problems(schema, runtime)) == []


def test_the_nodes_are_those_that_the_recipe_wants(training):
    wide = training.model_copy(update={"nodes": 4, "processes": None, "batch_size": 64})
    spec = make_trainjob("tops", KEY, "s3://bucket/key", wide, NODES)["spec"]
    trainer = spec["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (4, 8)
    assert trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "8"
    assert trainer["image"] == NODES.image
    assert trainer["args"] == ["s3://bucket/key", "tops"]
    [patch] = spec["runtimePatches"]
    [jobs] = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pods = jobs["template"]["spec"]["template"]["spec"]
    assert pods == {
        "nodeSelector": {"z1/pool": "training"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        ],
    }
    with pytest.raises(InputError, match="batch_size 16 cannot be shared evenly by 32 processes"):
        make_trainjob("tops", KEY, "", wide.model_copy(update={"batch_size": 16}), NODES)


def test_several_nodes_need_a_place_to_meet(demo):
    content = demo.model_dump(mode="json")
    content["train"]["tops"]["nodes"] = 2
    with pytest.raises(InputError, match=r"train\.tops\.nodes: several nodes meet in S3; give che"):
        parse_recipe(content, "recipe", Path.cwd())
