"""``z1 submit`` through kfp's client, against a server at the other end of real connections."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from kfp import dsl

import z1_pipelines.submit
from z1.cli import main
from z1.recipe import find_local_paths, find_recipe, load_recipe


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(z1_pipelines.submit, "_PAUSE", 0.0)


def submit(server: Any, recipe: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["submit", str(recipe), "--host", server.url, *options])


@dsl.component(base_image="none", install_kfp_package=False)
def leaf(recipe: str) -> None:
    """Does nothing; it is never run."""


def task(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"task_id": f"id-{name}", "display_name": name, "state": state, **more}


def test_a_run_has_the_recipes_text_in_an_experiment_of_its_name(kfp_server, recipe):
    done = submit(kfp_server, recipe)
    assert done.exit_code == 0, done.output
    (run,), (experiment,) = kfp_server.runs, kfp_server.experiments
    assert experiment["display_name"] == "mine"
    assert run["experiment_id"] == experiment["experiment_id"]
    assert run["runtime_config"] == {"parameters": {"recipe": recipe.read_text()}}
    assert run["display_name"].startswith("mine 20")
    assert f"Run {run['run_id']} " in done.output
    assert f"{kfp_server.url}/#/runs/details/{run['run_id']}" in done.output


def test_the_pipeline_is_uploaded_once_as_a_version_named_by_its_content(kfp_server, recipe):
    for _ in range(2):
        assert submit(kfp_server, recipe).exit_code == 0
    (version,) = kfp_server.versions
    assert version["display_name"].startswith("sha256-")
    assert version["pipeline_spec"]["pipelineInfo"]["name"] == "tops-budgets"
    versions = {run["pipeline_version_reference"]["pipeline_version_id"] for run in kfp_server.runs}
    assert versions == {version["pipeline_version_id"]}
    assert len(kfp_server.runs) == 2
    assert kfp_server.made("upload") == 1
    assert len(kfp_server.experiments) == 1


def test_a_run_has_the_account_with_the_rights_that_it_needs(kfp_server, recipe):
    submit(kfp_server, recipe)
    submit(kfp_server, recipe, "--service-account", "somebody")
    recipe.write_text(recipe.read_text() + "\ndeploy: {}\n")
    submit(kfp_server, recipe)
    accounts = [run["service_account"] for run in kfp_server.runs]
    assert accounts == ["z1-steps", "somebody", "z1-deploy"]


def test_the_shards_of_a_step_are_each_followed(kfp_server, recipe):
    def shards(*states: str) -> dict[str, Any]:
        tasks = [
            {**task("seed-replies-shard", state), "task_id": f"id-{number}"}
            for number, state in enumerate(states)
        ]
        return {"state": "RUNNING", "run_details": {"task_details": tasks}}

    kfp_server.futures = [
        shards("RUNNING", "RUNNING"),
        shards("SUCCEEDED", "RUNNING"),
        {"state": "SUCCEEDED"},
    ]
    options = ["--set", 'shards=["1/2", "2/2"]', "--wait"]
    done = submit(kfp_server, recipe, *options)
    assert done.exit_code == 0, done.output
    assert kfp_server.runs[0]["runtime_config"]["parameters"]["shards"] == ["1/2", "2/2"]
    states = [line.partition(": ")[2] for line in done.output.splitlines() if "-shard:" in line]
    assert states == ["running", "running", "succeeded"]


def test_each_method_has_its_own_pipeline(kfp_server, recipe):
    submit(kfp_server, recipe)
    CliRunner().invoke(main, ["submit", "z1-demo", "--host", kfp_server.url])
    assert [one["display_name"] for one in kfp_server.pipelines] == ["tops-budgets", "z1"]


def test_a_retraining_is_run_now_and_its_steps_are_told_by_name(kfp_server, published):
    tasks = [task("added", "SUCCEEDED"), task("condition-1", "RUNNING"), task("sft", "RUNNING")]
    running = {"state": "RUNNING", "run_details": {"task_details": tasks}}
    kfp_server.futures = [running, {"state": "SUCCEEDED"}]
    done = submit(kfp_server, published, "--retrain", "--wait")
    assert done.exit_code == 0, done.output
    assert [one["display_name"] for one in kfp_server.pipelines] == ["retrain-iter-sft"]
    assert done.output.splitlines()[2:4] == ["added: succeeded", "iter-sft: running"]
    assert kfp_server.runs[0]["runtime_config"] == {"parameters": {"recipe": published.read_text()}}


def test_what_is_found_far_down_a_list_is_not_made_again(kfp_server, recipe):
    for number in range(250):
        kfp_server.create_experiment({}, {"display_name": f"other {number}"})
        kfp_server.create_pipeline({}, {"display_name": f"other {number}"})
    submit(kfp_server, recipe)
    submit(kfp_server, recipe)
    assert len(kfp_server.experiments) == 251
    assert len(kfp_server.pipelines) == 251


def test_what_somebody_else_makes_meanwhile_is_used(kfp_server, recipe):
    kfp_server.fail("POST .*/experiments$", 409, done=True)
    kfp_server.fail("POST .*/pipelines$", 409, done=True)
    kfp_server.fail("POST .*/upload_version$", 409, done=True)
    done = submit(kfp_server, recipe)
    assert done.exit_code == 0, done.output
    assert [len(kfp_server.experiments), len(kfp_server.versions), len(kfp_server.runs)] == [1] * 3


def test_settings_become_parameters_of_the_pipelines_types(kfp_server, recipe):
    options = ["--set", "sampling_cpu=4", "--experiment", "trial", "--pipeline-root", "s3://b/f"]
    assert submit(kfp_server, recipe, *options).exit_code == 0
    config = kfp_server.runs[0]["runtime_config"]
    assert config["parameters"]["sampling_cpu"] == "4"
    assert config["pipeline_root"] == "s3://b/f"
    assert kfp_server.experiments[0]["display_name"] == "trial"


def test_a_copy_of_a_model_that_does_not_fit_into_a_step_is_refused(kfp_server):
    recipe = find_recipe("tops-qwen2.5-32b")
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    assert "teacher.sampling.tensor_parallel is 2, but sampling_accelerators is 1" in done.stderr
    assert kfp_server.calls == []
    assert submit(kfp_server, recipe, "--set", "sampling_accelerators=2").exit_code == 0


@pytest.mark.parametrize("setting", ["wrokspace=/work", "recipe=name"])
def test_a_setting_that_the_pipeline_does_not_have_is_refused(kfp_server, recipe, setting):
    done = submit(kfp_server, recipe, "--set", setting)
    assert done.exit_code == 2
    assert "no parameter of the pipeline to set; there are: sampling_accelerator, " in done.stderr
    assert kfp_server.calls == []


@dsl.pipeline(name="typed")
def typed(
    recipe: str,
    mode: str,
    new: int = 100,
    share: float = 0.5,
    dry: bool = False,
    names: list[str] = [],  # noqa: B006 - kfp's way
    more: dict[str, int] = {},  # noqa: B006
) -> None:
    """A pipeline with a parameter of each type."""
    leaf(recipe=recipe)


@pytest.fixture
def typed_pipeline(monkeypatch):
    monkeypatch.setattr("z1_pipelines.job.find_pipeline", lambda recipe: typed)


def test_settings_are_read_as_the_types_that_the_pipeline_declares(
    kfp_server, recipe, typed_pipeline
):
    settings = ["mode=7", "new=500", "share=0.25", "dry=true", 'names=["a"]', 'more={"a": 1}']
    done = submit(kfp_server, recipe, *(f"--set={setting}" for setting in settings))
    assert done.exit_code == 0, done.output
    parameters = kfp_server.runs[0]["runtime_config"]["parameters"]
    del parameters["recipe"]
    assert parameters == {
        "mode": "7",
        "new": 500,
        "share": 0.25,
        "dry": True,
        "names": ["a"],
        "more": {"a": 1},
    }


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("new=many", "new: 'many' is no whole number"),
        ("share=half", "share: 'half' is no number"),
        ("dry=yes", "dry: 'yes' is no true or false"),
        ("names={}", "names: '{}' is no list in JSON"),
        ("more=a", "more: 'a' is no object in JSON"),
        ("new=1", "the pipeline also needs --set mode=..."),
    ],
)
def test_a_setting_of_another_type_or_one_that_is_missing_is_refused(
    kfp_server, recipe, typed_pipeline, setting, words
):
    done = submit(kfp_server, recipe, "--set", setting)
    assert done.exit_code == 2
    assert words in done.stderr
    assert kfp_server.calls == []


def test_files_of_this_machine_are_named_before_anything_is_sent(kfp_server, recipe, tmp_path):
    content = yaml.safe_load(recipe.read_text())
    (tmp_path / "model").mkdir()
    content["model"] = {"path": "model"}
    content["problems"]["sources"][:1] = [
        {"kind": "file", "path": "mine.jsonl"},
        {"kind": "benchmark", "name": "math500", "path": "/data/math500"},
        {"kind": "huggingface", "path": "openai/gsm8k", "columns": "gsm8k"},
    ]
    content["teacher"] = {"engine": "file", "replies": "~/replies.jsonl"}
    recipe.write_text(yaml.safe_dump(content))
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    keys = [line.split(":")[0].strip() for line in done.stderr.splitlines()[1:-1]]
    sources = ["problems.sources.0.path", "problems.sources.1.path"]
    assert keys == ["model.path", *sources, "teacher.replies"]
    assert kfp_server.calls == []


def test_published_recipes_name_no_files_of_this_machine():
    for path in (Path(__file__).parents[3] / "recipes").glob("*.yaml"):
        names = dict(find_local_paths(load_recipe(path, runs_here=False)))
        assert set(names) <= {"teacher.replies"}, path


def test_a_wrong_recipe_is_refused_before_anything_is_sent(kfp_server, recipe):
    recipe.write_text(recipe.read_text() + "\nsede: 1\n")
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    assert "sede: unknown key" in done.stderr
    assert kfp_server.calls == []


def test_wait_tells_each_steps_state_and_ends_with_the_run(kfp_server, recipe):
    first = [task("problems", "RUNNING"), task("root", "RUNNING")]
    then = [task("problems", "SUCCEEDED"), task("generate-2", "RUNNING")]
    kfp_server.futures = [
        {"state": "PENDING"},
        {"state": "RUNNING", "run_details": {"task_details": first}},
        {"state": "RUNNING", "run_details": {"task_details": then}},
        {"state": "SUCCEEDED"},
    ]
    done = submit(kfp_server, recipe, "--wait")
    assert done.exit_code == 0, done.output
    told = done.output.splitlines()[2:]
    assert told == [
        "problems: running",
        "problems: succeeded",
        "replies-shard: running",
        "The run succeeded.",
    ]


def test_wait_names_the_step_that_failed_and_why(kfp_server, recipe):
    child = task("executor", "FAILED", pod_name="mine-x1", error={"message": "out of memory"})
    tasks = [
        task("root", "FAILED"),
        task("problems", "SUCCEEDED"),
        task("sft", "FAILED", child_tasks=[{"task_id": "id-executor"}]),
        child,
    ]
    kfp_server.futures = [{"state": "FAILED", "run_details": {"task_details": tasks}}]
    done = submit(kfp_server, recipe, "--wait")
    assert done.exit_code == 1
    assert "step tag: out of memory (pod mine-x1)" in done.stderr
    assert "step root" not in done.stderr
    assert kfp_server.runs[0]["run_id"] in done.stderr


def test_wait_ends_with_a_run_that_somebody_cancelled(kfp_server, recipe):
    history = [{"state": "CANCELED", "error": {"message": "terminated by a user"}}]
    kfp_server.futures = [{"state": "CANCELING"}, {"state": "CANCELED", "state_history": history}]
    done = submit(kfp_server, recipe, "--wait")
    assert done.exit_code == 1
    assert "ended as canceled: terminated by a user" in done.stderr


def test_wait_outlasts_a_server_that_is_away_for_a_while(kfp_server, recipe):
    kfp_server.fail("GET .*/runs/", 503, times=3)
    kfp_server.futures = [{"state": "SUCCEEDED"}]
    assert submit(kfp_server, recipe, "--wait").exit_code == 0


def test_wait_gives_up_on_a_server_that_stays_away(kfp_server, recipe, monkeypatch):
    monkeypatch.setattr(z1_pipelines.submit, "_PATIENCE", 0.05)
    kfp_server.fail("GET .*/runs/", 503, times=10**6)
    done = submit(kfp_server, recipe, "--wait")
    assert done.exit_code == 2
    assert "the run itself goes on" in done.stderr


def test_waiting_that_is_stopped_leaves_the_run_alone(kfp_server, recipe, monkeypatch):
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(z1_pipelines.submit.time, "sleep", stop)
    done = submit(kfp_server, recipe, "--wait")
    assert done.exit_code == 130
    assert "the run goes on" in done.stderr
    assert kfp_server.runs[0]["state"] == "PENDING"


def test_a_run_in_an_archived_experiment_is_refused(kfp_server, recipe):
    kfp_server.create_experiment({}, {"display_name": "mine"})["storage_state"] = "ARCHIVED"
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    assert "experiment 'mine' is archived" in done.stderr


@pytest.fixture
def shared(kfp_server):
    """The server with two users."""
    kfp_server.multi_user = True
    kfp_server.tokens = {"anns": {"ann"}, "bobs": {"bob"}}
    return kfp_server


def test_many_users_each_have_their_own(shared, recipe):
    for user in ("ann", "bob"):
        done = submit(shared, recipe, "--namespace", user, "--token", f"{user}s")
        assert done.exit_code == 0, done.output
    for things in (shared.experiments, shared.pipelines, shared.runs):
        assert [thing["namespace"] for thing in things] == ["ann", "bob"]


def test_another_users_namespace_is_forbidden(shared, recipe):
    done = submit(shared, recipe, "--namespace", "bob", "--token", "anns")
    assert done.exit_code == 2
    assert "does not allow you to do this in namespace bob" in done.stderr


def test_many_users_need_a_namespace(shared, recipe):
    done = submit(shared, recipe, "--token", "anns")
    assert done.exit_code == 2
    assert "say in whose --namespace" in done.stderr


@pytest.mark.parametrize("options", [[], ["--token", "expired"]], ids=["none", "expired"])
def test_without_a_good_token_the_server_knows_nobody(shared, recipe, options):
    done = submit(shared, recipe, "--namespace", "ann", *options)
    assert done.exit_code == 2
    assert "the token is missing or has expired" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_renewed_in_its_file_is_used_at_once(shared, recipe, tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_text("anns\n")

    def renew(_: float) -> None:
        path.write_text("renewed")
        shared.tokens = {"renewed": {"ann"}}

    monkeypatch.setattr(z1_pipelines.submit.time, "sleep", renew)
    shared.futures = [{"state": "RUNNING"}, {"state": "SUCCEEDED"}]
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(path))
    done = submit(shared, recipe, "--namespace", "ann", "--wait")
    assert done.exit_code == 0, done.output


def test_a_token_that_expires_while_waiting_is_told_and_the_run_goes_on(
    shared, recipe, monkeypatch
):
    monkeypatch.setattr(z1_pipelines.submit.time, "sleep", lambda _: shared.tokens.pop("anns"))
    shared.futures = [{"state": "RUNNING"}]
    done = submit(shared, recipe, "--namespace", "ann", "--token", "anns", "--wait")
    assert done.exit_code == 2
    assert "expired" in done.stderr
    assert "the run itself goes on" in done.stderr


def test_a_missing_token_file_is_named(kfp_server, recipe):
    done = submit(kfp_server, recipe, "--token-file", "nowhere")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: nowhere: the token cannot be read")


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        ("POST .*/runs$", 500, "failed (500); try again"),
        ("POST .*/upload_version$", 500, "it broke"),
        ("POST .*/runs$", 0, "gives no answer"),
        ("GET .*/experiments", 404, "does not have this"),
        ("POST .*/runs$", 409, "has this already"),
        ("healthz", 404, "is not Kubeflow Pipelines"),
        ("healthz", 503, "failed (503)"),
    ],
)
def test_what_the_server_does_wrong_is_one_clear_error(kfp_server, recipe, call, status, words):
    kfp_server.fail(call, status)
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert kfp_server.url in done.stderr


def test_a_log_in_page_is_told_from_an_answer(kfp_server, recipe):
    kfp_server.log_in = True
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    assert "a web page, perhaps to log in" in done.stderr


def test_https_where_there_is_none_is_told(kfp_server, recipe):
    done = CliRunner().invoke(
        main, ["submit", str(recipe), "--host", kfp_server.url.replace("http:", "https:")]
    )
    assert done.exit_code == 2
    assert "gives no answer" in done.stderr
    assert "SSL" in done.stderr


def test_an_address_without_a_server_is_told(kfp_server, recipe):
    kfp_server.http.server_close()
    done = submit(kfp_server, recipe)
    assert done.exit_code == 2
    assert "gives no answer: see whether the address (--host) is right" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_any_address_one_is_asked_for(kfp_server, recipe):
    done = CliRunner().invoke(main, ["submit", str(recipe)], env={"KUBECONFIG": "/nowhere"})
    assert done.exit_code == 2
    assert done.stderr.startswith("error: no server of Kubeflow Pipelines is named: give its")
    assert done.stdout == ""


def test_kfps_own_environment_says_where_the_server_is(kfp_server, recipe, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_server.url)
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "http://pages.example.com/pipeline/")
    done = CliRunner().invoke(main, ["submit", str(recipe)])
    assert done.exit_code == 0, done.output
    assert "\nhttp://pages.example.com/pipeline/#/runs/details/" in done.output


def test_kfps_own_command_submits_the_compiled_pipeline_with_a_recipes_text(
    kfp_server, recipe, tmp_path
):
    kfp = Path(sys.executable).with_name("kfp")
    source = Path(__file__).parents[3] / "pipelines" / "budgets_pipeline.py"
    script = (
        f"{kfp} dsl compile --py {source} --output tops.yaml\n"
        f"{kfp} run submit -f tops.yaml -e trial"
        f' sampling_cpu=\'"4"\' recipe="$(cat {recipe})"'
    )
    environment = {**os.environ, "HOME": str(tmp_path), "KFP_ENDPOINT": kfp_server.url}
    done = subprocess.run(
        ["bash", "-ec", script], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    (run,) = kfp_server.runs
    parameters = run["runtime_config"]["parameters"]
    assert parameters == {"sampling_cpu": "4", "recipe": recipe.read_text().rstrip("\n")}
    assert kfp_server.experiments[0]["display_name"] == "trial"
