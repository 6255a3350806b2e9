"""``z1 schedule`` through kfp's client; above all that a change that fails leaves one schedule."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import z1_pipelines.schedule
from z1.cli import main

REGISTRY = "publish: {registry: 'https://git.example.com/models.git'}"
CREATE, ENABLE, DISABLE = "POST .*/recurringruns$", ":enable$", ":disable$"
DELETE = "DELETE .*/recurringruns/"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(z1_pipelines.schedule, "_PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def recipe(published: Path) -> Path:
    """A recipe whose model can be retrained."""
    return published


def schedule(server: Any, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["schedule", *map(str, arguments), "--host", server.url])


def cron(recurring: dict[str, Any]) -> str:
    return recurring["trigger"]["cron_schedule"]["cron"]


@pytest.fixture
def weekly(kfp_server, recipe):
    """The server with a schedule for each Monday."""
    done = schedule(kfp_server, recipe, "--cron", "0 3 * * 1")
    assert done.exit_code == 0, done.output
    kfp_server.calls.clear()
    return kfp_server


def test_a_schedule_is_one_enabled_recurring_run_at_a_time_without_catch_up(kfp_server, recipe):
    options = ["--set", "sampling_cpu=4", "--pipeline-root", "s3://b/f"]
    done = schedule(kfp_server, recipe, "--cron", "0 3 * * 1", *options)
    assert done.exit_code == 0, done.output
    (recurring,) = kfp_server.recurring
    assert recurring["mode"] == "ENABLE"
    assert cron(recurring) == "0 0 3 * * 1"  # seconds first
    assert recurring["max_concurrency"] == "1"
    assert recurring["no_catchup"] is True
    assert recurring["display_name"] == "mine"
    assert recurring["runtime_config"] == {
        "parameters": {"recipe": recipe.read_text(), "sampling_cpu": "4"},
        "pipeline_root": "s3://b/f",
    }
    version = kfp_server.versions[0]["pipeline_version_id"]
    assert recurring["pipeline_version_reference"]["pipeline_version_id"] == version
    assert "mine: made; next on Monday " in done.output
    assert " at 03:00 UTC" in done.output


def test_the_same_schedule_again_changes_nothing(weekly, recipe):
    before = [dict(one) for one in weekly.recurring]
    done = schedule(weekly, recipe, "--cron", "0 3 * * mon")
    assert "mine: changed" in done.output  # in other words is another expression
    done = schedule(weekly, recipe, "--cron", "0 3 * * mon")
    assert "mine: unchanged; next on Monday" in done.output
    assert schedule(weekly, recipe, "--cron", "0 3 * * 1").exit_code == 0
    assert [cron(one) for one in weekly.recurring] == [cron(one) for one in before]
    assert weekly.most_enabled == 1


@pytest.mark.parametrize("what", ["cron", "recipe", "experiment", "setting", "root"])
def test_another_schedule_of_the_name_takes_the_place_of_the_first(weekly, recipe, what):
    old = weekly.recurring[0]["recurring_run_id"]
    options = ["--cron", "0 3 * * 2" if what == "cron" else "0 3 * * 1"]
    options += {
        "experiment": ["--experiment", "other"],
        "setting": ["--set", "sampling_cpu=2"],
        "root": ["--pipeline-root", "s3://b/f"],
    }.get(what, [])
    if what == "recipe":
        recipe.write_text(recipe.read_text() + "\n# another\n")
    done = schedule(weekly, recipe, *options)
    assert done.exit_code == 0, done.output
    assert "mine: changed; next on" in done.output
    (new,) = weekly.recurring
    assert new["recurring_run_id"] != old
    assert new["mode"] == "ENABLE"
    assert weekly.most_enabled == 1
    assert weekly.propagation == ["ORPHAN"]  # a run under way goes on


@pytest.mark.parametrize("done", [False, True], ids=["undone", "done"])
@pytest.mark.parametrize("status", [0, 500], ids=["dropped", "500"])
@pytest.mark.parametrize("call", [CREATE, DISABLE, ENABLE, DELETE])
def test_a_change_of_which_one_request_fails_leaves_exactly_one_enabled(
    weekly, recipe, call, status, done
):
    weekly.fail(call, status, done=done)
    first = schedule(weekly, recipe, "--cron", "0 3 * * 2")
    assert "Traceback" not in first.output
    (enabled,) = weekly.enabled()
    changed = cron(enabled) == "0 0 3 * * 2"
    assert changed == (call == DELETE)
    if call == DELETE and not status:  # asked again, and gone by then
        assert first.exit_code == 0, first.output
    else:
        assert first.exit_code == 2
        words = "is scheduled as asked" if changed else "is as it was"
        assert words in first.stderr or call == CREATE
    again = schedule(weekly, recipe, "--cron", "0 3 * * 2")
    assert again.exit_code == 0, again.output
    assert [(cron(one), one["mode"]) for one in weekly.recurring] == [("0 0 3 * * 2", "ENABLE")]
    assert weekly.most_enabled == 1


@pytest.mark.parametrize("call", [DISABLE, ENABLE, DELETE])
def test_a_server_lost_for_good_in_the_middle_is_told_and_the_next_call_finishes(
    weekly, recipe, call
):
    weekly.fail(call, 0, done=True)
    weekly.fail(f"{ENABLE}|{DISABLE}|{DELETE}", 0, times=10**6)
    first = schedule(weekly, recipe, "--cron", "0 3 * * 2")
    assert first.exit_code == 2
    assert "the same command again" in first.stderr
    assert len(weekly.enabled()) <= 1
    weekly.faults.clear()
    assert schedule(weekly, recipe, "--cron", "0 3 * * 2").exit_code == 0
    assert [(cron(one), one["mode"]) for one in weekly.recurring] == [("0 0 3 * * 2", "ENABLE")]
    assert weekly.most_enabled == 1


def test_a_change_that_is_stopped_is_undone(weekly, recipe, monkeypatch):
    ask = z1_pipelines.schedule.ask

    def stop(server: Any, call: Any, **arguments: Any) -> Any:
        if call.__name__ == "recurring_run_service_enable_recurring_run":
            monkeypatch.setattr(z1_pipelines.schedule, "ask", ask)
            raise KeyboardInterrupt
        return ask(server, call, **arguments)

    monkeypatch.setattr(z1_pipelines.schedule, "ask", stop)
    done = schedule(weekly, recipe, "--cron", "0 3 * * 2")
    assert done.exit_code == 2
    assert "mine could not be changed and is as it was (stopped)" in done.stderr
    assert [(cron(one), one["mode"]) for one in weekly.recurring] == [("0 0 3 * * 1", "ENABLE")]


def test_a_token_that_expires_in_the_middle_is_told(kfp_server, recipe):
    kfp_server.multi_user, kfp_server.tokens = True, {"anns": {"ann"}}
    who = ["--namespace", "ann", "--token", "anns"]
    assert schedule(kfp_server, recipe, "--cron", "0 3 * * 1", *who).exit_code == 0
    kfp_server.fail(f"{DISABLE}|{ENABLE}|{DELETE}", 401, times=10**6)
    done = schedule(kfp_server, recipe, "--cron", "0 3 * * 2", *who)
    assert done.exit_code == 2
    assert "missing or has expired" in done.stderr
    assert [cron(one) for one in kfp_server.enabled()] == ["0 0 3 * * 1"]


def test_a_schedule_that_somebody_paused_is_enabled_again(weekly, recipe):
    weekly.set_mode(weekly.recurring[0], False)
    assert "mine: changed" in schedule(weekly, recipe, "--cron", "0 3 * * 1").output
    (recurring,) = weekly.recurring
    assert recurring["mode"] == "ENABLE"


def test_two_schedules_of_a_name_become_one(weekly, recipe):
    twin = weekly.add(weekly.recurring, "recurring_run_id", dict(weekly.recurring[0]))
    assert twin["mode"] == "ENABLE"
    assert schedule(weekly, recipe, "--cron", "0 3 * * 1").exit_code == 0
    assert len(weekly.recurring) == len(weekly.enabled()) == 1


def test_a_recurring_run_of_somebody_else_is_left_alone(weekly, recipe):
    weekly.recurring[0]["description"] = "made by hand"
    for arguments in ([recipe, "--cron", "0 3 * * 2"], ["--remove", "mine"]):
        done = schedule(weekly, *arguments)
        assert done.exit_code == 2
        assert "recurring run 'mine' (" in done.stderr
        assert "was not made by z1" in done.stderr
    assert [cron(one) for one in weekly.enabled()] == ["0 0 3 * * 1"]


def test_list_shows_the_schedules_on_every_page_and_when_they_come(weekly, recipe):
    for number in range(120):
        more = {**weekly.recurring[0], "display_name": f"by hand {number}", "description": ""}
        weekly.add(weekly.recurring, "recurring_run_id", more)
    schedule(weekly, recipe, "--cron", "30 0 4 1 * ?", "--name", "another")
    weekly.set_mode(weekly.recurring[-1], False)
    lines = schedule(weekly, "--list").output.splitlines()
    assert lines[0].startswith("another: 30 0 4 1 * ?; disabled; recipe mine, pipeline retrain-")
    assert lines[1].startswith("mine: 0 0 3 * * 1; next on Monday ")
    assert len(lines) == 2


def test_remove_deletes_a_schedule_and_not_its_run_under_way(weekly, recipe):
    schedule(weekly, recipe, "--cron", "0 3 * * 1", "--name", "other")
    done = schedule(weekly, "--remove", "mine")
    assert done.output == "mine: removed\n"
    assert [one["display_name"] for one in weekly.recurring] == ["other"]
    assert weekly.propagation == ["ORPHAN"]
    done = schedule(weekly, "--remove", "mine")
    assert done.exit_code == 2
    assert "there is no schedule 'mine' to remove; there are: other" in done.stderr


def test_without_schedules_the_list_says_so(kfp_server):
    assert schedule(kfp_server, "--list").output == "no schedules\n"


def test_many_users_see_and_change_their_own_schedules(kfp_server, recipe):
    kfp_server.multi_user, kfp_server.tokens = True, {"anns": {"ann"}, "bobs": {"bob"}}
    ann, bob = (["--namespace", name, "--token", f"{name}s"] for name in ("ann", "bob"))
    for who, when in ((ann, "0 1 * * *"), (bob, "0 2 * * *"), (ann, "0 3 * * *")):
        done = schedule(kfp_server, recipe, "--cron", when, *who)
        assert done.exit_code == 0, done.output
    assert sorted((one["namespace"], cron(one)) for one in kfp_server.recurring) == [
        ("ann", "0 0 3 * * *"),
        ("bob", "0 0 2 * * *"),
    ]
    assert "0 0 2 * * *" in schedule(kfp_server, "--list", *bob).output
    assert schedule(kfp_server, "--list", *bob[:1], "ann", *bob[2:]).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["demo"], ["--cron", "0 3 * * *"], ["demo", "--list"], ["--list", "--remove=a"]],
)
def test_what_cannot_be_meant_is_refused(kfp_server, arguments):
    done = schedule(kfp_server, *arguments)
    assert done.exit_code == 2
    assert "give RECIPE and --cron, or --list, or --remove NAME" in done.stderr
    assert kfp_server.calls == []


def test_a_wrong_cron_expression_is_refused_before_anything_is_sent(kfp_server, recipe):
    done = schedule(kfp_server, recipe, "--cron", "0 3 * * 7")
    assert done.exit_code == 2
    assert "'7' is no day of the week; it takes 0 to 6" in done.stderr
    assert kfp_server.calls == []


def pipelines(server: Any) -> list[str]:
    return [one["display_name"] for one in server.pipelines]


def test_what_is_scheduled_is_the_retraining_that_the_recipe_says(kfp_server, recipe):
    assert schedule(kfp_server, recipe, "--cron", "0 3 * * 1").exit_code == 0
    recipe.write_text(recipe.read_text() + "\nretrain: {method: dpo}\n")
    assert schedule(kfp_server, recipe, "--cron", "0 3 * * 1").exit_code == 0
    recipe.write_text(recipe.read_text().replace("{method: dpo}", "{mode: full}"))
    assert schedule(kfp_server, recipe, "--cron", "0 3 * * 1").exit_code == 0
    assert pipelines(kfp_server) == ["retrain-iter-sft", "retrain-iter-dpo", "retrain-tops-budgets"]
    (recurring,) = kfp_server.recurring
    assert recurring["description"].startswith(
        "z1 schedule: recipe mine, pipeline retrain-tops-budgets "
    )


def test_the_mode_of_a_schedule_can_be_another_than_the_recipes(kfp_server, recipe):
    done = schedule(kfp_server, recipe, "--cron", "0 3 * * 1", "--mode", "full")
    assert done.exit_code == 0, done.output
    assert pipelines(kfp_server) == ["retrain-tops-budgets"]
    assert "mine: changed" in schedule(kfp_server, recipe, "--cron", "0 3 * * 1").output


def test_a_z1_model_is_retrained_from_its_base_alone(kfp_server, tmp_path):
    demo = (Path(__file__).parents[3] / "recipes" / "z1-demo.yaml").read_text()
    recipe = tmp_path / "z1.yaml"
    recipe.write_text(demo.replace("publish: {model: z1}", "") + f"\n{REGISTRY}\n")
    assert schedule(kfp_server, recipe, "--cron", "0 3 * * 1").exit_code == 0
    assert pipelines(kfp_server) == ["retrain-z1"]
    kfp_server.calls.clear()
    done = schedule(kfp_server, recipe, "--cron", "0 3 * * 1", "--mode", "iteration")
    assert done.exit_code == 2
    assert "but this recipe publishes z1; its retraining is of mode full" in done.stderr
    assert kfp_server.calls == []


def test_without_a_registry_there_is_nothing_to_retrain(kfp_server):
    done = schedule(kfp_server, "demo", "--cron", "0 3 * * 1")
    assert done.exit_code == 2
    assert "give publish.registry" in done.stderr
    assert kfp_server.calls == []
