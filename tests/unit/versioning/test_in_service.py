"""The model in service: bringing it, replacing it by a better one, and giving its place back."""

import json
import shutil
import subprocess

import pytest

from z1.errors import InputError, RolloutError
from z1.recipe import Deployment, Publish
from z1.serving.lease import LostLeaseError, UnderWayError
from z1.serving.rollout import Outcome
from z1.stages import run_stage
from z1.stages.incumbent import INCUMBENT
from z1.versioning import local
from z1.versioning.registry import open_registry
from z1.versioning.service import find_incumbent
from z1.versioning.versions import StageTakenError, list_versions, promote


@pytest.fixture
def recipe(demo, models):
    return demo.model_copy(update={"name": "mine", "publish": Publish(registry=str(models))})


def put(models, version, stage="prod"):
    with open_registry(str(models)) as registry:
        promote(registry, version, stage)


def bring(recipe, tmp_path):
    return run_stage("incumbent", recipe, "publish", {}, tmp_path / "incumbent")


def read(tmp_path):
    return json.loads((tmp_path / "incumbent" / INCUMBENT).read_text())


def test_without_a_registry_there_is_no_incumbent(demo, tmp_path, capsys):
    record = bring(demo, tmp_path)
    assert record["kept"] == 0
    assert set(record["files"]) == {INCUMBENT}
    assert read(tmp_path)["version"] is None
    assert "names no registry" in capsys.readouterr().out


def test_the_model_in_service_is_brought_with_its_version(recipe, models, two_versions, tmp_path):
    put(models, "mine@v1", "staging")
    assert bring(recipe, tmp_path)["kept"] == 0
    assert "no version of mine is in service" in read(tmp_path)["text"]
    put(models, "mine@v1")
    record = bring(recipe, tmp_path)
    folder = tmp_path / "incumbent"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    published = two_versions / "v1"
    content = {path.relative_to(published).as_posix() for path in published.rglob("*.*")}
    assert found == {*content, INCUMBENT, "stage.json"}
    assert (folder / "more" / "which.txt").read_text() == "v1"
    known = read(tmp_path)
    assert (known["version"], known["key"]) == ("mine@v1", "v1" * 32)
    assert known["content"].startswith(f"s3://{local.BUCKET}/models/")
    command = ["git", "-C", str(models), "rev-parse", "mine@v1.0.0^{commit}"]
    assert known["commit"] == subprocess.check_output(command, text=True).strip()
    assert record["details"] == known


def test_each_run_asks_the_registry_again(recipe, models, tmp_path):
    put(models, "mine@v1")
    first = bring(recipe, tmp_path)
    written = (tmp_path / "incumbent" / "stage.json").stat().st_mtime_ns
    assert bring(recipe, tmp_path) == first
    assert (tmp_path / "incumbent" / "stage.json").stat().st_mtime_ns == written
    put(models, "mine@v2")
    assert bring(recipe, tmp_path)["key"] != first["key"]
    assert read(tmp_path)["version"] == "mine@v2"
    assert (tmp_path / "incumbent" / "more" / "which.txt").read_text() == "v2"


def test_a_pull_that_was_cut_off_is_gone_on_with(
    recipe, models, two_versions, tmp_path, monkeypatch
):
    put(models, "mine@v1")
    with monkeypatch.context() as patch:
        patch.setattr("z1.stages.incumbent.write_bytes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bring(recipe, tmp_path)
    assert not (tmp_path / "incumbent").exists()
    assert bring(recipe, tmp_path)["kept"] == 1
    assert (tmp_path / "incumbent" / "more" / "which.txt").read_text() == "v1"
    assert not (tmp_path / "incumbent" / "pulled").exists()


def judged(folder, opens, incumbent):
    """What evaluate writes of a decision."""
    decision = {"candidate": "tops", "incumbent": incumbent, "opens": opens, "text": "It thinks."}
    (folder / "evaluate").mkdir(exist_ok=True)
    (folder / "evaluate" / "report.json").write_text(json.dumps({"gate": decision}))
    return folder / "evaluate"


def published(folder, models, version):
    """What publish writes of a version."""
    outcome = {"version": version, "content": "s3://models/1", "new": True}
    found = {"registry": models and str(models), "versions": {"tops": outcome} if models else {}}
    (folder / "published").mkdir(exist_ok=True)
    (folder / "published" / "versions.json").write_text(json.dumps(found))
    return folder / "published"


def pass_gate(recipe, folder, models, opens=True, version="mine@v2", incumbent="mine@v1"):
    """Run the gate; return what it says."""
    inputs = {
        "evaluate": judged(folder, opens, incumbent),
        "published": published(folder, models, version),
    }
    run_stage("gate", recipe, "evaluate.gate", inputs, folder / "gate")
    return json.loads((folder / "gate" / "gate.json").read_text())


def in_service(models):
    with open_registry(str(models)) as registry:
        found = find_incumbent(list_versions(registry), "mine")
    return found and str(found)


def refs(models):
    return subprocess.check_output(["git", "-C", str(models), "for-each-ref"], text=True)


def test_without_a_registry_the_gate_does_nothing(demo, tmp_path, capsys):
    found = pass_gate(demo, tmp_path, None)
    assert (found["opens"], found["version"]) == (False, None)
    assert "names no registry" in capsys.readouterr().out


def test_the_first_model_goes_into_service(recipe, models, tmp_path):
    found = pass_gate(recipe, tmp_path, models, version="mine@v1", incumbent=None)
    assert (found["opens"], found["replaced"]) == (True, None)
    assert in_service(models) == "mine@v1"


def test_a_better_model_replaces_the_incumbent_once(recipe, models, tmp_path):
    put(models, "mine@v1")
    found = pass_gate(recipe, tmp_path, models)
    assert (found["opens"], found["version"], found["replaced"]) == (True, "mine@v2", "mine@v1")
    assert found["text"] == "open: mine@v2 is put into service in place of mine@v1"
    assert in_service(models) == "mine@v2"
    before = refs(models)
    # Anew, as if the first attempt had been killed before its output was there.
    shutil.rmtree(tmp_path / "gate")
    assert pass_gate(recipe, tmp_path, models) == found
    # In a later run the incumbent is the candidate itself, which is no better than itself.
    later = pass_gate(recipe, tmp_path, models, opens=False, incumbent="mine@v2")
    assert (later["opens"], later["replaced"]) == (True, None)
    assert refs(models) == before


def test_a_worse_model_is_kept_out_of_service(recipe, models, tmp_path):
    put(models, "mine@v1")
    before = refs(models)
    found = pass_gate(recipe, tmp_path, models, opens=False)
    assert (found["opens"], found["decision"]["text"]) == (False, "It thinks.")
    assert refs(models) == before


@pytest.mark.parametrize("evaluated", [None, "mine@v0"])
def test_a_model_that_was_not_compared_to_the_incumbent_is_kept_out(
    recipe, models, tmp_path, evaluated
):
    put(models, "mine@v1")
    found = pass_gate(recipe, tmp_path, models, incumbent=evaluated)
    assert not found["opens"]
    assert "mine@v1 is in the stage prod meanwhile; run again" in found["text"]
    assert in_service(models) == "mine@v1"


def test_an_evaluation_without_the_incumbent_is_an_error(recipe, models, tmp_path):
    inputs = {
        "evaluate": judged(tmp_path, True, None),
        "published": published(tmp_path, models, "mine@v1"),
    }
    (inputs["evaluate"] / "report.json").write_text('{"gate": null}')
    with pytest.raises(InputError, match="as the input 'incumbent'"):
        run_stage("gate", recipe, "evaluate.gate", inputs, tmp_path / "gate")
    judged(tmp_path, True, None)
    other = json.dumps({"registry": str(models), "versions": {"tag": {}}})
    (inputs["published"] / "versions.json").write_text(other)
    with pytest.raises(InputError, match="with the same recipe"):
        run_stage("gate", recipe, "evaluate.gate", inputs, tmp_path / "gate")


@pytest.fixture
def deploy(recipe, tmp_path, monkeypatch):
    """Run the deploy stage after the gate, with a cluster that does as it is told."""
    recipe = recipe.model_copy(update={"deploy": Deployment()})
    monkeypatch.setattr("z1.serving.cluster.connect", lambda: None)

    def run(outcome):
        def roll_out(cluster, published, section, window, say):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome() if callable(outcome) else outcome

        monkeypatch.setattr("z1.serving.rollout.deploy", roll_out)
        inputs = {"published": tmp_path / "published", "gate": tmp_path / "gate"}
        return run_stage("deploy", recipe, "deploy", inputs, tmp_path / "deploy")

    return run


SERVED = Outcome("mine", "v2", "v1", True, "http://mine", [])


@pytest.mark.parametrize("failure", [RolloutError("v2 crashes"), KeyboardInterrupt()])
def test_a_deployment_that_fails_gives_the_place_back(recipe, models, tmp_path, deploy, failure):
    put(models, "mine@v1")
    pass_gate(recipe, tmp_path, models)
    with pytest.raises(type(failure)):
        deploy(failure)
    assert in_service(models) == "mine@v1"
    if isinstance(failure, RolloutError):  # tried again, it takes its place again
        assert deploy(SERVED)["kept"] == 1
        assert in_service(models) == "mine@v2"


@pytest.mark.parametrize("meanwhile", [LostLeaseError("taken"), UnderWayError("under way")])
def test_what_another_attempt_rolls_out_stays_in_service(
    recipe, models, tmp_path, deploy, meanwhile
):
    put(models, "mine@v1")
    pass_gate(recipe, tmp_path, models)
    with pytest.raises(type(meanwhile)):
        deploy(meanwhile)
    assert in_service(models) == "mine@v2"


def test_a_first_model_that_is_not_served_is_not_in_service(recipe, models, tmp_path, deploy):
    pass_gate(recipe, tmp_path, models, version="mine@v1", incumbent=None)
    with pytest.raises(RolloutError):
        deploy(RolloutError("v1 crashes"))
    assert in_service(models) is None


def test_a_model_that_was_in_service_before_stays_there(recipe, models, tmp_path, deploy):
    put(models, "mine@v2")
    pass_gate(recipe, tmp_path, models, opens=False, incumbent="mine@v2")
    with pytest.raises(RolloutError):
        deploy(RolloutError("no node has room"))
    assert in_service(models) == "mine@v2"


def test_nobody_elses_choice_is_undone(recipe, models, tmp_path, deploy):
    pass_gate(recipe, tmp_path, models, version="mine@v1", incumbent=None)

    def meddle():
        put(models, "mine@v2")
        raise RolloutError("v1 crashes")

    with pytest.raises(RolloutError):
        deploy(meddle)
    before = refs(models)
    with pytest.raises(StageTakenError, match="mine@v2 is in the stage prod meanwhile"):
        deploy(SERVED)
    assert in_service(models) == "mine@v2"
    assert refs(models) == before


def test_a_closed_gate_deploys_nothing(recipe, models, tmp_path, deploy, capsys):
    put(models, "mine@v1")
    pass_gate(recipe, tmp_path, models, opens=False)
    assert deploy(RolloutError("not to be called"))["kept"] == 0
    assert "nothing is deployed: closed: mine@v2 is not put into service" in capsys.readouterr().out
    done = run_stage(
        "deploy", recipe, "deploy", {"published": tmp_path / "published"}, tmp_path / "without"
    )
    assert done["details"]["text"] == "nothing to do: the recipe has no section deploy"
