"""A plan beside what came of it, by the figures of a run at another size."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from z1.cli import main
from z1.planning.actual import measure_run
from z1.planning.estimate import REFERENCE, Load, estimate
from z1.planning.figures import Figures, find_figures
from z1.planning.learning import learn_figures, learn_start
from z1.recipe import Recipe, Teacher, find_recipe, load_recipe, write_recipe
from z1.stages import run_stage
from z1_pipelines.choosing import list_steps

STEPS = ("problems", "replies", "kept", "subset")  # those that need no training


def run(count: int, folder: Path) -> Recipe:
    """Run the Z1 demo's steps on so many problems of each kind."""
    usual = load_recipe(find_recipe("z1-demo"))
    sources = [one.model_copy(update={"count": count}) for one in usual.problems.sources]
    problems = usual.problems.model_copy(update={"sources": sources[:4]})
    recipe = usual.model_copy(update={"problems": problems})
    for step in list_steps(recipe):
        if step.name in STEPS:
            inputs = {name: folder / made for name, made in step.inputs.items()}
            section, output = step.section, folder / step.name
            run_stage(step.stage, recipe, section, inputs, output, step.options)
    (folder / "recipe.yaml").write_text(write_recipe(recipe))
    return recipe


def learn(recipe: Recipe, folder: Path) -> Figures:
    usual, steps = find_figures(recipe), list_steps(recipe)
    took = measure_run(recipe, usual, steps, folder)
    return learn_figures(recipe, usual, steps, folder, took, "a small run")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Recipe, Path]]:
    folder = tmp_path_factory.mktemp("runs")
    return {count: (run(count, folder / str(count)), folder / str(count)) for count in (40, 120)}


def test_the_figures_of_a_small_run_plan_a_larger_one(runs):
    recipe, folder = runs[40]
    steps = list_steps(recipe)
    figures = learn(recipe, folder)
    larger, there = runs[120]
    planned = estimate(larger, figures, steps)
    took = measure_run(larger, figures, steps, there)
    assert set(took) >= set(STEPS[1:])
    for step in STEPS[1:]:
        assert took[step].requests == pytest.approx(planned[step].requests, rel=0.15)
    ratio = took["replies"].tokens / planned["replies"].tokens
    assert 1 / 1.5 < ratio < 1.5
    assert took["replies"].hours == 0  # of a teacher that is no model


def sampled_by_a_model(recipe: Recipe) -> Recipe:
    sampling = {"engine": "transformers", "temperature": 1.0, "max_tokens": 256}
    teacher = {"engine": "transformers", "model": "tiny", "sampling": sampling}
    return recipe.model_copy(update={"teacher": Teacher.model_validate(teacher)})


@pytest.fixture
def timed(runs, tmp_path) -> tuple[Recipe, Path]:
    """A run whose teacher writes 50 tokens a second, and which trains at 200, after its start."""
    small, folder = runs[40]
    small, there = sampled_by_a_model(small), tmp_path / "run"
    shutil.copytree(folder, there)
    (there / "z1").mkdir()
    (there / "z1" / "stage.json").write_text('{"key": "", "step": "", "parents": [], "seconds": 0}')
    counted = measure_run(small, find_figures(small), list_steps(small), there)
    for step, rate in (("replies", 50), ("z1", 200)):
        seconds = counted[step].tokens / rate + find_figures(small).start
        note(there / step, seconds=seconds)
    (there / "recipe.yaml").write_text(write_recipe(small))
    return small, there


def note(step: Path, **fields: object) -> None:
    """Change what a step's record says."""
    path = step / "stage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_hours_become_rates_and_rates_hours(runs, timed):
    small, there = timed
    figures = learn(small, there)
    assert list(figures.sampling.values()) == [pytest.approx(50, rel=0.001)]
    assert list(figures.training.values()) == [pytest.approx(200, rel=0.001)]
    assert figures.about == "a small run"
    larger = sampled_by_a_model(runs[120][0])
    planned = estimate(larger, figures, list_steps(larger))
    for step, rate in (("replies", 50), ("z1", 200)):
        expected = planned[step].tokens / rate + figures.start
        assert planned[step].hours * 3600 == pytest.approx(expected, rel=0.001)


def test_a_step_that_went_on_after_another_attempt_tells_nothing_of_speed(timed):
    small, there = timed
    note(there / "z1", seconds=1.0, resumed=True)
    usual = find_figures(small)
    figures = learn(small, there)
    assert list(figures.sampling.values()) == [pytest.approx(50, rel=0.001)]
    assert figures.training == usual.training
    assert figures.about == f"a small run; the rates of training, not measured in it: {usual.about}"
    done = CliRunner().invoke(main, ["report", str(there)])
    assert "Without the hours of earlier attempts, after which they went on: z1." in done.output


def test_shards_that_were_put_together_took_what_each_of_them_did(timed):
    small, there = timed
    shards = [{"seconds": 20.0, "resumed": False}, {"seconds": 16.0, "resumed": True}]
    note(there / "replies", stage="merge", seconds=0.1, parents=shards)
    took = measure_run(small, find_figures(small), list_steps(small), there)["replies"]
    assert took.hours == pytest.approx(36 / 3600)
    assert took.partly


def test_a_training_that_was_held_up_leaves_the_start_alone(demo):
    figures, steps = find_figures(demo), list_steps(demo)
    tokens = {"tag": 4000, "tops": 3000, "random": 6000, "iter-sft": 500, "iter-dpo": 400}
    trainings = [step for step in steps if step.name in tokens]
    took = {name: Load(0, n, (20 + n / 100) / 3600) for name, n in tokens.items()}
    took["iter-dpo"] = Load(0, 400, (20 + 400 * REFERENCE / 100) / 3600)
    assert learn_start(figures, trainings, took).start == pytest.approx(20)
    took["tag"] = Load(0, 4000, 2 * took["tag"].hours)
    assert learn_start(figures, trainings, took).start == pytest.approx(20)
    assert learn_start(figures, trainings[:2], took) == figures  # too few to tell


def test_report_compares_and_saves_what_plan_reads(runs, tmp_path):
    _, folder = runs[40]
    for step in ("incumbent", "gate"):  # which are in a run too, and take no accelerator
        (folder / step).mkdir()
        (folder / step / "stage.json").write_text('{"key": "", "step": "", "parents": []}')
    saved = tmp_path / "pilot.yaml"
    done = CliRunner().invoke(main, ["report", str(folder), "--save", str(saved)])
    assert done.exit_code == 0, done.output
    assert "planned and actual" in done.output
    assert "Not there yet: z1, evaluate." in done.output
    assert yaml.safe_load(saved.read_text())["selected"]["kept"]["share"] <= 1
    done = CliRunner().invoke(main, ["plan", "z1-demo", "--figures", str(saved), "--json"])
    assert done.exit_code == 0, done.output


def test_what_is_broken_in_a_run_is_named(timed, tmp_path):
    _, there = timed
    arguments = ["report", str(there)]
    for extra, wrong in (
        (["--save", "/proc/mine.yaml"], "/proc/mine.yaml: cannot be written"),
        (["--recipe", "demo"], f"{there}: a run of z1-demo, and not of demo"),
    ):
        done = CliRunner().invoke(main, [*arguments, *extra])
        assert done.exit_code == 2
        assert wrong in done.output
    part = there / "replies" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert f"{there / 'replies'}: it, or what it was made of, is broken" in done.output
    (there / "replies" / "stage.json").write_text('{"key": "", "step": "", "parents": []}')
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "does not say how long the step took" in done.output


def test_a_folder_without_a_run_is_refused(tmp_path):
    done = CliRunner().invoke(main, ["report", str(tmp_path / "nope")])
    assert done.exit_code == 2
    assert "there is no such folder" in done.output
    done = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no recipe.yaml" in done.output
