"""What a plan says of the recipes that ship with z1, and of what a person changes in them."""

import math
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from z1.cli import main
from z1.errors import InputError
from z1.planning.counts import count_problems
from z1.planning.estimate import Load, add_up, estimate
from z1.planning.figures import Figures, find_figures, find_rate, find_size
from z1.planning.lever import find_lever
from z1.planning.steps import Step
from z1.planning.tables import find_remarks
from z1.recipe import Recipe, find_recipe, load_recipe
from z1_pipelines.choosing import list_steps


def plan(recipe: Recipe, figures: Figures | None = None) -> dict[str, Load]:
    return estimate(recipe, figures or find_figures(recipe), list_steps(recipe))


@pytest.fixture
def tops() -> Recipe:
    return load_recipe(find_recipe("tops-qwen2.5-32b"))


def test_the_steps_are_those_of_the_pipeline_with_their_inputs(demo):
    steps = {step.name: step for step in list_steps(demo)}
    assert list(steps)[:5] == ["problems", "seed-replies", "seed-verdicts", "seed", "tag"]
    assert {"tops-stop", "tops-tags"} <= set(steps)
    options = {"split": "train", "efforts": "all"}
    inputs = {"problems": "problems", "model": "tag"}
    assert steps["replies"] == Step("replies", "generate", "generate", inputs, options)
    assert steps["evaluate"].inputs["iter-sft"] == "iter-sft"


def test_replies_and_tokens_are_the_papers(tops):
    loads = plan(tops)
    assert loads["seed-replies"].requests == 5_560 * 3
    assert loads["replies"].requests == 50_040 * 3
    # The mean of the paper's three lengths.
    assert loads["replies"].tokens == pytest.approx(50_040 * (1588 + 2536 + 3768), rel=0.01)
    assert loads["iter-replies"].requests == 5_400 * 8
    # Eight models, of which the tag model is asked at three efforts; five seeds and greedily.
    assert loads["evaluate"].requests == 1_849 * (5 + 3 + 3) * 6
    assert loads["tag"].requests == pytest.approx(1_312 * 3 * 3, rel=0.01)
    assert loads["iter-dpo"].requests == pytest.approx(4_000 * 3, rel=0.01)
    assert loads["verdicts"] == loads["verdicts"]._replace(tokens=0, hours=0, cost=0)


def test_hours_are_tokens_over_rates_and_cost_is_hours_times_price(tops):
    loads = plan(tops)
    assert loads["replies"].hours == pytest.approx(loads["replies"].tokens / 2000 / 3600)
    assert loads["tops"].hours == pytest.approx(loads["tops"].tokens / 1334 / 3600)
    assert add_up(loads).cost == pytest.approx(3 * add_up(loads).hours)


def test_the_largest_lever_names_what_halved_saves_most(tops):
    figures, steps = find_figures(tops), list_steps(tops)
    lever = find_lever(tops, figures, steps)
    assert lever is not None
    assert (lever.step, lever.change) == ("replies", "half the problems")
    # Half of the replies, and of what is trained on them.
    loads = estimate(tops, figures, steps)
    saved = (loads["replies"].cost + loads["tops"].cost + loads["random"].cost) / 2
    assert lever.before.cost - lever.after.cost == pytest.approx(saved)


def test_where_seeds_are_many_they_are_the_lever(tops):
    section = tops.evaluate.model_copy(update={"seeds": list(range(200)), "greedy": False})
    other = tops.model_copy(update={"evaluate": section})
    lever = find_lever(other, find_figures(other), list_steps(other))
    assert lever is not None
    assert lever.step == "evaluate"
    assert lever.after.cost < 0.65 * lever.before.cost


def test_a_subset_by_tokens_trains_on_so_many():
    z1 = load_recipe(find_recipe("z1-qwen2.5-coder-7b"))
    select = z1.select.model_copy(update={"tokens": 74_000_000})
    other = z1.model_copy(update={"select": select})
    figures = find_figures(z1).model_copy(update={"prompts": {}})
    assert plan(other, figures)["z1"].tokens == pytest.approx(2 * 74_000_000)


def test_z1_is_tested_within_its_budgets_with_the_papers_averages():
    z1 = load_recipe(find_recipe("z1-qwen2.5-coder-7b"))
    math500 = [source for source in z1.problems.sources if source.difficulty == "MATH500"]
    problems = z1.problems.model_copy(update={"sources": math500})
    figures = find_figures(z1).model_copy(update={"tokens": {"MATH500": 1185}, "models": {}})

    def thinking(budget: int) -> float:
        section = z1.evaluate.model_copy(update={"budgets": [budget], "baselines": []})
        window = z1.window.model_copy(update={"reserve": 1})
        change = {"problems": problems, "evaluate": section, "window": window}
        recipe = z1.model_copy(update=change)
        load = estimate(recipe, figures, list_steps(z1)[-4:-3])["evaluate"]
        return (load.tokens / 500 - 2 * 1185) / 2  # of two models a pass, and one within

    for budget, average in ((256, 255), (512, 471), (1024, 707)):
        assert thinking(budget) == pytest.approx(average, rel=0.15)


def test_problems_are_counted_by_split_and_file(tmp_path, demo):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "1 + 1", "answer": "2", "verifier": "exact"}\n' * 40)
    content = demo.model_dump(mode="json")
    content["problems"]["sources"] = [{"kind": "file", "path": str(path)}]
    counts = count_problems(Recipe.model_validate(content), find_figures(demo))
    sizes = {split: sum(kinds.values()) for split, kinds in counts.items()}
    assert sizes == pytest.approx({"evaluation": 4, "seed": 8, "train": 20, "iteration": 8})


def test_a_file_that_is_here_counts_more_than_what_is_known_of_its_name(tmp_path, tops):
    path = tmp_path / "local500.jsonl"
    path.write_text('{"problem": "1 + 1", "answer": "2"}\n')
    content = tops.model_dump(mode="json")
    content["problems"]["sources"] = [{"kind": "benchmark", "name": "math500", "path": str(path)}]
    counts = count_problems(Recipe.model_validate(content), find_figures(tops))
    assert sum(counts["evaluation"].values()) == 1
    broken = path.with_suffix(".parquet")
    broken.write_bytes(b"PAR1")
    content["problems"]["sources"][0]["path"] = str(broken)
    with pytest.raises(InputError, match=r"local500.parquet: cannot be read"):
        count_problems(Recipe.model_validate(content), find_figures(tops))


def test_what_a_step_asks_multiplies_out_to_its_requests(tops, demo):
    z1 = load_recipe(find_recipe("z1-qwen2.5-coder-7b"))
    for recipe in (tops, demo, z1):
        for load in plan(recipe).values():
            product = re.sub(r"[a-z ,]", "", load.what.partition(", no")[0].replace(" x ", "*"))
            if "*" in product and "epoch" not in load.what:
                assert eval(product) == load.requests, load.what


def test_what_is_not_known_is_asked_for(demo):
    content = demo.model_dump(mode="json")
    source = {"kind": "huggingface", "path": "some/where", "columns": "numina"}
    content["problems"]["sources"] = [source]
    with pytest.raises(InputError, match=r"problems.sources.0: .* give the\s+source a count"):
        count_problems(Recipe.model_validate(content), find_figures(demo))
    with pytest.raises(InputError, match=r"sizes: \{org/mine: BILLIONS\}"):
        find_size(find_figures(demo), "org/mine")


@pytest.mark.parametrize(
    ("name", "size"),
    [("Qwen/Qwen2.5-0.5B-Instruct", 0.5), ("models/QwQ-32B-Preview", 32), ("a/7bis", None)],
)
def test_a_models_name_tells_its_size(tops, name, size):
    if size is None:
        with pytest.raises(InputError):
            find_size(find_figures(tops), name)
    else:
        assert find_size(find_figures(tops), name) == size


def test_the_rate_is_that_of_the_nearest_size_scaled():
    assert find_rate({8: 8000, 32: 2000}, 7) == pytest.approx(8000 * 8 / 7)
    assert find_rate({8: 8000, 32: 2000}, 70) == pytest.approx(2000 * 32 / 70)


def test_ones_own_figures_replace_single_keys(tmp_path, tops):
    own = tmp_path / "mine.yaml"
    own.write_text("price: 6\nsampling: {32.8: 1000}\ntokens: {AI-MO/NuminaMath-CoT: 3800}\n")
    usual, mine = plan(tops), plan(tops, find_figures(tops, own))
    assert mine["replies"].tokens == pytest.approx(2 * usual["replies"].tokens)
    assert mine["replies"].cost == pytest.approx(8 * usual["replies"].cost)
    assert mine["iter-replies"].tokens == usual["iter-replies"].tokens


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("prize: 6", "prize: unknown key; there are about, .*price"),
        ("price: {H100: 3}", "price: .*valid number"),
        ("about: {a: b}", "about: .*valid string"),
        ("price: 1\nprice: 2", "price: line 1 and line 2"),
        ("sampling: {}", "sampling: .* at least 1 item"),
        ("sampling: {32: 0}", "sampling.32: .* greater than 0"),
        ("devices: {training: -2}", "devices.training: .* greater than 0"),
        ("devices: {train: 2}", "devices.train"),
        ("efforts: {loww: 2}", "efforts.loww"),
        ("problems: {openai/gsm8k: -5}", "problems.openai/gsm8k: .* greater than or equal to 0"),
        ("- 1", "it holds no keys"),
        ("", "it holds no keys"),
        ("{: ", "not YAML"),
        ("[" * 3000, "not YAML"),
        (None, "cannot be read: .* No such file"),
    ],
)
def test_a_file_of_figures_with_a_mistake_is_named(tmp_path, tops, text, wrong):
    own = tmp_path / "mine.yaml"
    if text is not None:
        own.write_text(text)
    with pytest.raises(InputError, match=rf"(?s)mine.yaml: .*{wrong}"):
        find_figures(tops, own)


def test_other_engines_than_that_of_the_rates_are_named(tops):
    figures = find_figures(tops)
    assert find_remarks(tops, figures) == []
    iterate = tops.iterate.model_copy(update={"engine": "transformers"})
    [remark] = find_remarks(tops.model_copy(update={"iterate": iterate}), figures)
    assert "vllm" in remark
    assert "iterate (transformers)" in remark


def test_rates_scaled_from_a_model_of_quite_another_size_are_called_a_guess(tops):
    figures = find_figures(tops).model_copy(update={"sampling": {0.0005: 3881.0}})
    [remark] = find_remarks(tops, figures)
    assert "rate of sampling is that of a model of 0.0005 billion" in remark


def test_the_command_prints_each_step_and_the_lever():
    done = CliRunner().invoke(main, ["plan", "z1-demo"])
    assert done.exit_code == 0
    assert "evaluate" in done.output
    assert "Largest lever: " in done.output


def test_the_tables_of_the_cluster_guide_are_the_plans(tops):
    guide = (Path(__file__).parents[3] / "k8s" / "README.md").read_text()
    for name in ("tops-qwen2.5-32b", "tops-llama3.1-8b", "z1-qwen2.5-coder-7b"):
        recipe = load_recipe(find_recipe(name))
        loads = plan(recipe)
        trainings = [one.name for one in list_steps(recipe) if one.stage in ("sft", "dpo")]
        training = sum(loads[step].hours for step in trainings)
        sampling = add_up(loads).hours - training
        [row] = [line for line in guide.splitlines() if line.startswith(f"| `{name}`")]
        assert f"| {sampling:.0f} + {training:.0f} |" in row
        assert f"| {math.floor(add_up(loads).cost / 10 + 0.5) * 10} $" in row


def test_figures_that_ship_are_complete(demo):
    shelf = Path(__file__).parents[3] / "z1" / "planning" / "figures"
    for path in shelf.glob("*.yaml"):
        assert Figures.model_validate(yaml.safe_load(path.read_text())).about
