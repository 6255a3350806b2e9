"""`z1 deploy`, `z1 rollback` and the stage, as their users call them."""

import json
import subprocess
import sys
import time

import pytest
import yaml
from click.testing import CliRunner

from z1.cli import main
from z1.errors import RolloutError
from z1.recipe import ThinkingWindow, load_recipe
from z1.stages import run_stage


@pytest.fixture
def recipe(tmp_path, demo):
    content = demo.model_dump(mode="json")
    content["deploy"] = {"canary": [50], "step_seconds": 0, "ready_minutes": 60}
    content["window"] = ThinkingWindow().model_dump()
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def kubeconfig(tmp_path, world):
    """A kubeconfig of the server."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": world.kube.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def z1(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_deploy_and_rollback(world, recipe, kubeconfig):
    config = ["--kubeconfig", kubeconfig, "--context", "test"]
    deploy = ["deploy", "--recipe", recipe, "--url", world.chat.url, *config]
    first = z1(*deploy, "tops@v1", "s3://models/tops/1")
    assert first.exit_code == 0, first.output
    assert "tops: v1 is served at http://127.0.0.1" in first.output
    assert "tops: v1 is served already" in z1(*deploy, "tops@v1", "s3://models/tops/1").output
    second = z1(*deploy, "tops@v2", "s3://models/tops/2")
    assert "v2 gets 50 % of the requests" in second.output
    back = z1("rollback", "tops", "--server", world.kube.url)
    assert back.exit_code == 0, back.output
    assert "tops: v1 is served at" in back.output
    assert "no more v2" in back.output
    assert world.kserve.serving() == {"v1": 100}


def test_a_failed_deployment_is_one_message_and_code_1(world, recipe):
    world.kserve.script["v1"] = "crash"
    server = ["--server", world.kube.url, "--url", world.chat.url]
    done = z1("deploy", "tops@v1", "s3://models/tops/1", "--recipe", recipe, *server)
    assert done.exit_code == 1
    assert "error: tops: v1 is not served: container kserve-container" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_deployment_that_was_killed_goes_on(world, recipe):
    server = ["--server", world.kube.url, "--url", world.chat.url]
    deploy = ["deploy", "--recipe", str(recipe), *server]
    assert z1(*deploy, "tops@v1", "s3://models/tops/1").exit_code == 0
    content = yaml.safe_load(recipe.read_text())
    content["deploy"]["step_seconds"] = 600
    recipe.write_text(yaml.safe_dump(content))
    second = [*deploy, "tops@v2", "s3://models/tops/2"]
    process = subprocess.Popen([sys.executable, "-m", "z1.cli", *second])
    deadline = time.monotonic() + 300
    while world.kserve.serving() != {"v1": 50, "v2": 50}:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.wait()
    content["deploy"]["step_seconds"] = 0
    recipe.write_text(yaml.safe_dump(content))
    done = z1(*second)
    assert done.exit_code == 0, done.output
    assert "gets 0 %" not in done.output
    assert "gets 50 %" in done.output
    assert world.kserve.serving() == {"v2": 100}
    assert not world.kserve.gaps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["deploy", "tops", "s3://m/1", "--recipe", "demo"], "versions look like v3"),
        (["deploy", "tops@v1", "m/1", "--recipe", "demo"], "no address of the form"),
        (["rollback", "tops", "--kubeconfig", "/nowhere"], "no way to a cluster"),
        (["rollback", "tops"], "there is no InferenceService tops in z1"),
    ],
)
def test_wrong_input_is_one_message_and_code_2(world, arguments, message):
    if "--kubeconfig" not in arguments:
        arguments = [*arguments, "--server", world.kube.url]
    done = z1(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_the_stage_deploys_what_was_published(world, recipe, kubeconfig, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig)
    )
    content = yaml.safe_load(kubeconfig.read_text()) | {"current-context": "test"}
    kubeconfig.write_text(yaml.safe_dump(content))
    content = yaml.safe_load(recipe.read_text())
    content["deploy"]["url"] = world.chat.url
    recipe.write_text(yaml.safe_dump(content))
    published = tmp_path / "published"
    published.mkdir()

    def publish(version, address):
        outcome = {"version": f"tops@{version}", "content": address, "new": True}
        text = json.dumps({"registry": "r", "versions": {"tops": outcome}})
        (published / "versions.json").write_text(text)

    def deploy(output):
        inputs = {"published": published}
        return run_stage("deploy", load_recipe(recipe), "deploy", inputs, tmp_path / output)

    publish("v1", "s3://models/tops/1")
    done = deploy("deploy")
    assert (done["kept"], done["unit"]) == (1, "versions")
    written = json.loads((tmp_path / "deploy" / "deployment.json").read_text())
    assert (written["version"], written["before"], written["changed"]) == ("v1", None, True)
    assert [answer["effort"] for answer in written["answers"]] == ["low", "medium", "high"]
    assert not deploy("again")["details"]["changed"]
    world.kserve.script["v2"] = "crash"
    publish("v2", "s3://models/tops/2")
    with pytest.raises(RolloutError, match="v1 is put back and serves"):
        deploy("worse")
    assert not (tmp_path / "worse").exists()
