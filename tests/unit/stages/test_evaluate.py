import json
import shutil
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

import z1
from z1 import engines
from z1.efforts import with_efforts, write_card
from z1.errors import InputError
from z1.evaluation import MODELS
from z1.evaluation.budgets import BUDGETED, CURVES
from z1.evaluation.metrics import EVALUATED
from z1.evaluation.report import print_table
from z1.recipe import OWN_MODELS, Baseline, Endpoint, Publish, load_recipe
from z1.records import PROBLEM, TRAJECTORY, scan, write_part
from z1.stages import Work, evaluate, run_stage
from z1.stages.evaluate import list_cells, run
from z1.tiny import MODEL, write_tiny
from z1.training.variants import with_opening

PACKAGE = Path(z1.__file__).parent
ROOT = Path(__file__).parents[3]


@pytest.fixture
def recipe(demo):
    sampling = demo.evaluate.sampling.model_copy(
        update={"temperature": 1.0, "samples": 1, "max_tokens": 40, "part_size": 3}
    )
    section = demo.evaluate.model_copy(
        update={
            "sampling": sampling, "seeds": [1, 2], "greedy": True, "resamples": 100, "budgets": []
        }
    )  # fmt: skip
    model = demo.model.model_copy(update={"path": "tiny"})
    return demo.model_copy(update={"evaluate": section, "model": model})


@pytest.fixture
def tops(tmp_path):
    folder = tmp_path / "tops"
    write_tiny(folder)
    write_card(folder, efforts=False)
    return folder


@pytest.fixture
def tag(tmp_path, demo):
    folder = tmp_path / "tag"
    write_tiny(folder)
    write_card(folder, efforts=True)
    template = folder / "chat_template.jinja"
    template.write_text(with_efforts(template.read_text(), demo.efforts))
    return folder


def test_every_model_is_tested_and_reported(recipe, sums_folder, tops, tag, tmp_path):
    inputs = {"problems": sums_folder, "tops": tops, "tag": tag}
    output = tmp_path / "evaluate"
    record = run_stage("evaluate", recipe, "evaluate", inputs, output)
    replies = pl.concat(
        scan(path, EVALUATED).collect() for path in sorted((output / "verdicts").glob("*.parquet"))
    )
    keys = ["model", "effort", "temperature", "seed", "problem_id", "sample"]
    assert not replies.select(keys).is_duplicated().any()
    ways = replies.group_by("model", "effort", "temperature", "seed").len()
    expected = {
        (model, effort, temperature, seed, 4)
        for model, efforts in [
            ("base", [None]),
            ("tag", ["low", "medium", "high"]),
            ("tops", [None]),
        ]
        for effort in efforts
        for temperature, seed in [(1.0, 1), (1.0, 2), (0.0, 0)]
    }
    assert set(ways.iter_rows()) == expected
    assert record["kept"] == replies.height == 60

    report = json.loads((output / "report.json").read_text())
    assert [(m["name"], m["effort"]) for m in report["models"] if m["temperature"] == 0] == [
        ("base", None), ("tag", "low"), ("tag", "medium"), ("tag", "high"), ("tops", None)
    ]  # fmt: skip
    for model in report["models"]:
        chosen = replies.filter(
            pl.col("model") == model["name"],
            pl.col("effort").eq_missing(pl.lit(model["effort"])),
            pl.col("temperature") == model["temperature"],
        )
        right = chosen.filter(pl.col("verdict") == "right").height
        assert model["accuracy"] == pytest.approx(right / chosen.height)
        assert model["thinking_tokens"] == pytest.approx(chosen["thinking_tokens"].mean())
    assert report["stages"][-1]["name"] == "evaluate"
    assert report["stages"][-1]["kept"] == 60
    assert (output / "report.html").read_text().startswith("<!doctype html>")
    # The tiny base solves sums of two numbers, greedily and unasked.
    assert report["models"][1]["accuracy"] > 0.5


def test_replies_and_verdicts_of_an_earlier_attempt_are_kept(recipe, sums_folder, tops, tmp_path):
    inputs = {"problems": sums_folder, "tops": tops}
    output = tmp_path / "evaluate"
    work = Work(recipe, recipe.evaluate, inputs, {}, output, "evaluate")
    run(work)
    untouched = output / "replies" / "tops-none-t0-s0" / "part-00000.parquet"
    marked = scan(untouched, TRAJECTORY).collect().with_columns(text=pl.lit("kept as it was"))
    write_part(marked, untouched, TRAJECTORY)
    lost = output / "replies" / "tops-none-t1-s2" / "part-00001.parquet"
    before = lost.read_bytes()
    lost.unlink()
    (output / "verdicts" / "tops.parquet").unlink()
    base = (output / "verdicts" / "base.parquet").stat().st_mtime_ns
    run(work)
    assert lost.read_bytes() == before
    verdicts = scan(output / "verdicts" / "tops.parquet", EVALUATED).collect()
    kept = verdicts.filter(pl.col("text") == "kept as it was")
    assert kept.select("temperature", "seed").unique().rows() == [(0.0, 0)]
    assert kept.height == marked.height
    assert verdicts.height == 12
    assert (output / "verdicts" / "base.parquet").stat().st_mtime_ns == base


@pytest.fixture
def opened(monkeypatch):
    """The models that replies are sampled from, as they are opened."""
    names = []

    def open_engine(sampling, model, **window):
        kind = "-budgets" if window.get("window") else ""
        names.append((Path(model).name if isinstance(model, str) else "base") + kind)
        return engines.open_engine(sampling, model, **window)

    monkeypatch.setattr(evaluate, "open_engine", open_engine)
    return names


def test_what_only_the_report_depends_on_samples_nothing_again(
    recipe, sums_folder, tops, tmp_path, opened, monkeypatch
):
    output = tmp_path / "evaluate"
    inputs = {"problems": sums_folder, "tops": tops}
    first = run_stage("evaluate", recipe, "evaluate", inputs, output)
    replies = first["kept"]
    assert first["resumed"] is False
    assert set(opened) == {"base", "tops"}
    report = json.loads((output / "report.json").read_text())
    opened.clear()
    section = recipe.evaluate.model_copy(update={"resamples": 50})
    changed = recipe.model_copy(update={"evaluate": section, "name": "renamed"})
    monkeypatch.setattr(evaluate, "render_page", lambda report: "another page")
    record = run_stage("evaluate", changed, "evaluate", inputs, output)
    again = json.loads((output / "report.json").read_text())
    assert opened == []
    assert (again["run"], again["models"]) == ("renamed", report["models"])
    assert (output / "report.html").read_text() == "another page"
    assert (record["kept"], record["resumed"]) == (replies, True)
    assert scan(output / "replies" / "tops-none-t1-s2", TRAJECTORY).collect().height == 4


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"seeds": [1]}, {"base", "tops"}),
        ({"greedy": False}, {"base", "tops"}),
        ({"budgets": [2]}, {"tops-budgets"}),
        ({}, {"tops"}),  # another model under the same name
    ],
    ids=["seeds", "greedy", "budgets", "model"],
)
def test_what_replies_depend_on_samples_them_again(
    recipe, sums_folder, tops, tmp_path, opened, change, again
):
    output = tmp_path / "evaluate"
    inputs = {"problems": sums_folder, "tops": tops}
    run_stage("evaluate", recipe, "evaluate", inputs, output)
    opened.clear()
    if not change:
        with (tops / "z1.json").open("a") as file:
            file.write("\n")
    section = recipe.evaluate.model_copy(update=change)
    changed = recipe.model_copy(update={"evaluate": section})
    run_stage("evaluate", changed, "evaluate", inputs, output)
    assert set(opened) == again


def test_files_that_only_the_report_needs_are_there_and_sample_nothing():
    for name in evaluate.REPORT_ONLY:
        assert (PACKAGE / name).is_file()
    # What sampling and verifying use of the room of evaluation is not among them.
    used = {"evaluation/__init__.py", "evaluation/budgets.py", "evaluation/metrics.py"}
    assert used.isdisjoint(evaluate.REPORT_ONLY)


def test_progress_counts_all_models_together(
    recipe, sums_folder, tops, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("Z1_PROGRESS", "lines")
    inputs = {"problems": sums_folder, "tops": tops}
    run(Work(recipe, recipe.evaluate, inputs, {}, tmp_path / "out", "evaluate"))
    lines = [line for line in capfd.readouterr().out.splitlines() if "z1_progress" in line]
    counts = [json.loads(line) for line in lines]
    assert {count["total"] for count in counts} == {24}
    done = [count["done"] for count in counts]
    assert done == sorted(done)
    assert done[-1] == 24


def test_ways_of_sampling(recipe, tag):
    section = recipe.evaluate
    cells = list_cells("tag", str(tag), section)
    assert [(c.temperature, c.seed, c.effort) for c in cells] == [
        (temperature, seed, effort)
        for temperature, seed in [(1.0, 1), (1.0, 2), (0.0, 0)]
        for effort in ("low", "medium", "high")
    ]
    assert len({c.folder() for c in cells}) == len(cells)
    sampled = section.model_copy(update={"greedy": False, "seeds": [3, 3]})
    assert [c.folder() for c in list_cells("base", recipe.model, sampled)] == ["base-none-t1-s3"]
    greedy = section.sampling.model_copy(update={"temperature": 0.0})
    only = section.model_copy(update={"sampling": greedy})
    assert [c.folder() for c in list_cells("base", recipe.model, only)] == ["base-none-t0-s0"]


def test_several_samples_of_one_seed_stay_apart(recipe, sums_folder, tmp_path):
    sampling = recipe.evaluate.sampling.model_copy(update={"samples": 2})
    section = recipe.evaluate.model_copy(update={"sampling": sampling})
    changed = recipe.model_copy(update={"evaluate": section})
    run(Work(changed, section, {"problems": sums_folder}, {}, tmp_path, "evaluate"))
    found = scan(tmp_path / "verdicts" / "base.parquet", EVALUATED).collect()
    counts = found.group_by("temperature", "seed", "sample").len()
    assert set(counts.iter_rows()) == {
        (1.0, 1, 0, 4), (1.0, 1, 1, 4), (1.0, 2, 0, 4), (1.0, 2, 1, 4), (0.0, 0, 0, 4)
    }  # fmt: skip
    written = pl.concat(
        scan(tmp_path / "replies" / f"base-none-t1-s{seed}", TRAJECTORY)
        .collect()
        .with_columns(seed=pl.lit(seed, pl.Int64))
        for seed in (1, 2)
    )
    keys = ["problem_id", "seed", "sample", "text"]
    sampled = found.filter(pl.col("temperature") == 1)
    assert sampled.select(keys).sort(keys).equals(written.select(keys).sort(keys))


def test_a_model_given_as_base_replaces_the_recipes(recipe, sums_folder, tmp_path):
    section = recipe.evaluate.model_copy(update={"seeds": [1], "greedy": False})
    missing = recipe.model.model_copy(update={"path": str(tmp_path / "nowhere")})
    changed = recipe.model_copy(update={"evaluate": section, "model": missing})
    work = Work(changed, section, {"problems": sums_folder}, {}, tmp_path / "out", "evaluate")
    with pytest.raises(InputError, match="nowhere"):
        run(work)
    given = {"problems": sums_folder, "base": MODEL}
    assert run(Work(changed, section, given, {}, tmp_path / "out", "evaluate")).kept == 4


def test_wrong_inputs_are_named(recipe, sums_folder, tops, tmp_path):
    def attempt(inputs):
        return run(Work(recipe, recipe.evaluate, inputs, {}, tmp_path / "out", "evaluate"))

    with pytest.raises(InputError, match="'problems'"):
        attempt({"tops": tops})
    with pytest.raises(InputError, match=r"'tosp'.*iter-sft"):
        attempt({"problems": sums_folder, "tosp": tops})
    empty = tmp_path / "empty"
    shutil.copytree(sums_folder, empty)
    write_part([], empty / "evaluation.parquet", PROBLEM)
    with pytest.raises(InputError, match=r"problems\.splits\.evaluation"):
        attempt({"problems": empty, "tops": tops})


@pytest.fixture
def budgeted(recipe):
    """The recipe with two budgets."""
    section = recipe.evaluate.model_copy(update={"budgets": [9, 1], "seeds": [1]})
    return recipe.model_copy(update={"evaluate": section})


@pytest.fixture
def trained(tops, tmp_path, demo):
    """The three models of the budgets, in name: the tiny base, and once with an opening tag."""
    for name in ("tops-stop", "tops-tags"):
        shutil.copytree(tops, tmp_path / name)
    template = tmp_path / "tops-tags" / "chat_template.jinja"
    template.write_text(with_opening(template.read_text(), demo.train.tops_tags.tags))
    return {name: tmp_path / name for name in ("tops", "tops-stop", "tops-tags")}


def test_budgets_are_reported_for_each_model_and_method(budgeted, sums_folder, trained, tmp_path):
    output = tmp_path / "evaluate"
    inputs = {"problems": sums_folder, **trained}
    record = run_stage("evaluate", budgeted, "evaluate", inputs, output)
    report = json.loads((output / "report.json").read_text())
    assert [(row["model"], row["method"], row["budget"]) for row in report["budgets"]] == [
        ("tops", "window", 1), ("tops", "window", 9),
        ("tops-stop", "window", 1), ("tops-stop", "window", 9),
        ("tops-tags", "tags", 1), ("tops-tags", "tags", 9),
        ("tops", "truncation", 1), ("tops", "truncation", 9),
    ]  # fmt: skip
    rows = {(r["model"], r["method"], r["budget"]): r for r in report["budgets"]}
    assert all(row["problems"] == 4 for row in report["budgets"])
    assert all(row["thinking_tokens"] <= row["budget"] for row in report["budgets"])
    # The same weights under two names; only the method differs.
    window = rows["tops", "window", 1]
    assert window | {"model": "tops-stop"} == rows["tops-stop", "window", 1]
    assert window["hint_tokens"] == len(budgeted.window.hint) * window["closed"] > 0
    cut = rows["tops", "truncation", 1]
    assert cut["closed"] == window["closed"]
    assert (cut["hint_tokens"], cut["answer_tokens"]) == (0, 0)
    assert {m["name"] for m in report["models"]} == {"base", "tops"}
    assert record["kept"] == 2 * 4 * 2 + 3 * 4 * 2
    assert "When the thinking has to stop" in (output / "report.html").read_text()


def test_truncated_replies_begin_the_greedy_ones(budgeted, sums_folder, trained, tmp_path):
    inputs = {"problems": sums_folder, "tops": trained["tops"]}
    run(Work(budgeted, budgeted.evaluate, inputs, {}, tmp_path / "out", "evaluate"))
    verdicts = tmp_path / "out" / "verdicts"
    greedy = scan(verdicts / "tops.parquet", EVALUATED).filter(pl.col("temperature") == 0)
    within = scan(verdicts / "budgets" / "tops.parquet", BUDGETED)
    both = within.filter(pl.col("method") == "truncation").join(greedy, on="problem_id").collect()
    assert both.height == 8
    for row in both.iter_rows(named=True):
        assert row["text"] == row["text_right"][: row["budget"]]  # a character is a token
        assert (row["finish_reason"] == "length") == (row["thinking_tokens_right"] >= row["budget"])


def test_tags_close_the_thinking_with_the_recipes_tag(budgeted, sums_folder, trained, tmp_path):
    inputs = {"problems": sums_folder, "tops-tags": trained["tops-tags"]}
    run(Work(budgeted, budgeted.evaluate, inputs, {}, tmp_path / "out", "evaluate"))
    verdicts = tmp_path / "out" / "verdicts" / "budgets" / "tops-tags.parquet"
    closed = scan(verdicts, BUDGETED).filter(pl.col("hint_tokens") > 0).collect()
    assert closed.height > 0
    width = len(budgeted.train.tops_tags.tags.closing)
    assert set(closed["hint_tokens"]) == {width}
    assert (closed["thinking_tokens"] == closed["budget"]).all()


def test_verdicts_within_budgets_of_an_earlier_attempt_are_kept(
    budgeted, sums_folder, trained, tmp_path
):
    inputs = {"problems": sums_folder, **trained}
    work = Work(budgeted, budgeted.evaluate, inputs, {}, tmp_path / "out", "evaluate")
    run(work)
    folder = tmp_path / "out" / "verdicts" / "budgets"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "tops-stop.parquet").unlink()
    run(work)
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"tops-stop.parquet"}


def test_without_budgets_models_of_the_budgets_are_not_sampled(
    recipe, sums_folder, trained, tmp_path
):
    inputs = {"problems": sums_folder, **trained}
    run(Work(recipe, recipe.evaluate, inputs, {}, tmp_path / "out", "evaluate"))
    sampled = {path.name.split("-none")[0] for path in (tmp_path / "out" / "replies").iterdir()}
    assert sampled == {"base", "tops"}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["budgets"] == []


def test_z1_is_tested_within_budgets_beside_its_base_and_the_paper(sums_folder, tops, tmp_path):
    recipe = load_recipe(ROOT / "recipes" / "z1-demo.yaml")
    changes = {"budgets": [2, 9], "rounds": True, "reach": "base", "resamples": 100}
    recipe = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update=changes)})
    inputs = {"problems": sums_folder, "z1": tops}
    output = tmp_path / "evaluate"
    run_stage("evaluate", recipe, "evaluate", inputs, output)
    report = json.loads((output / "report.json").read_text())
    assert {(row["model"], row["method"]) for row in report["budgets"]} == {
        ("z1", "window"), ("z1", "truncation"), ("base", "window")
    }  # fmt: skip
    assert {row["budget"] for row in report["budgets"]} == {2, 9}
    assert [model["name"] for model in report["models"]] == ["base", "z1"]
    assert [check["name"] for check in report["checks"]] == ["rises"]
    assert report["reach"]["goal"] == "base"
    assert [row["name"] for row in report["rounds"]] == ["base", "z1"]
    assert all(row["rounds"] >= 1 for row in report["rounds"])
    assert "Not part of this run" not in " ".join(report["remarks"])
    assert (
        "4 problems that no model of this run was trained on, answered once" in report["remarks"][0]
    )
    page = (output / "report.html").read_text()
    assert "2,470 → 47.5" in page
    assert "tag model" not in page
    assert "of the Z1 paper" in page
    assert "not of this run" in page


def with_baselines(recipe, *baselines):
    section = recipe.evaluate.model_copy(update={"baselines": [*baselines]})
    return recipe.model_copy(update={"evaluate": section})


def test_baselines_stand_in_the_same_tables_within_the_same_budgets(
    budgeted, sums_folder, trained, tmp_path
):
    changed = with_baselines(budgeted, Baseline(name="Other", model="tiny"))
    inputs = {"problems": sums_folder, "tops": trained["tops"]}
    record = run_stage("evaluate", changed, "evaluate", inputs, tmp_path / "evaluate")
    report = json.loads((tmp_path / "evaluate" / "report.json").read_text())
    names = [model["name"] for model in report["models"]]
    assert names == ["base", "base", "tops", "tops", "Other", "Other"]
    # The tiny base under three names.
    greedy = [m for m in report["models"] if m["temperature"] == 0]
    assert [m | {"name": ""} for m in greedy] == [greedy[0] | {"name": ""}] * 3
    rows = {(r["model"], r["method"], r["budget"]): r for r in report["budgets"]}
    assert {key for key in rows if key[0] == "Other"} == {
        ("Other", method, budget) for method in ("window", "truncation") for budget in (1, 9)
    }
    for (model, method, budget), row in rows.items():
        assert row | {"model": ""} == rows["tops", method, budget] | {"model": ""}, model
    assert record["kept"] == 3 * 4 * 2 + 2 * 4 * 2
    page = (tmp_path / "evaluate" / "report.html").read_text()
    assert "Other, truncated" in page
    print_table(report)


def test_a_baseline_can_be_a_server(recipe, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "z1.stages.evaluate.open_engine", lambda *given, **named: opened.append(given)
    )
    endpoint = Endpoint(url="http://localhost:1/v1", served_model="s", api="chat")
    evaluate._open(recipe.evaluate.sampling, Baseline(name="a", endpoint=endpoint))
    evaluate._open(recipe.evaluate.sampling, Baseline(name="b", model="m"))
    [(served, model), (local, folder)] = opened
    assert (served.engine, served.endpoint, model) == ("endpoint", endpoint, "s")
    assert served.max_tokens == recipe.evaluate.sampling.max_tokens
    assert (local, folder) == (recipe.evaluate.sampling, "m")


def test_another_model_under_a_baselines_name_is_sampled_anew(recipe, sums_folder, tmp_path):
    section = recipe.evaluate.model_copy(update={"seeds": [1], "greedy": False})
    few = recipe.model_copy(update={"evaluate": section})
    write_tiny(tmp_path / "other")
    changed = with_baselines(few, Baseline(name="Other", model=str(tmp_path / "other")))
    keys = set()
    for tokens in (512, 256):
        config = tmp_path / "other" / "config.json"
        content = json.loads(config.read_text()) | {"max_position_embeddings": tokens}
        config.write_text(json.dumps(content))
        inputs = {"problems": sums_folder}
        record = run_stage("evaluate", changed, "evaluate", inputs, tmp_path / "evaluate")
        keys.add(record["key"])
    assert len(keys) == 2


@pytest.fixture
def incumbent(tag, tmp_path):
    """The output of the incumbent stage, with a model in service that is asked for efforts."""
    folder = Path(shutil.copytree(tag, tmp_path / "incumbent"))
    details = {"version": "mine@v1", "digest": "d" * 64}
    record = {"stage": "incumbent", "step": "incumbent", "key": "k", "parents": [], "seconds": 1.0}
    record |= {"kept": 1, "dropped": 0, "unit": "versions", "reasons": {}, "details": details}
    (folder / "stage.json").write_text(json.dumps(record))
    return folder


def test_the_incumbent_answers_what_the_candidate_does_and_the_gate_is_in_the_report(
    recipe, sums_folder, tag, incumbent, tmp_path, monkeypatch
):
    published = Publish(registry="somewhere", model="tag")
    recipe = recipe.model_copy(update={"publish": published})
    inputs = {"problems": sums_folder, "tag": tag, "incumbent": incumbent}
    run_stage("evaluate", recipe, "evaluate", inputs, tmp_path / "evaluate")
    verdicts = tmp_path / "evaluate" / "verdicts"
    candidate, before = (
        scan(verdicts / f"{name}.parquet", EVALUATED).collect().drop("model")
        for name in ("tag", "incumbent")
    )
    assert candidate.equals(before)  # the same weights, prompts, problems and seeds
    report = json.loads((tmp_path / "evaluate" / "report.json").read_text())
    gate = report["gate"]
    assert (gate["candidate"], gate["incumbent"]) == ("tag", "mine@v1")
    assert (gate["opens"], gate["problems"]) == (False, 4)
    assert gate["text"].startswith("It answers exactly as the incumbent does.")
    assert (gate["margin"], gate["token_allowance"]) == (0.02, 1.0)
    page = (tmp_path / "evaluate" / "report.html").read_text()
    assert "✗ The gate stays closed." in page
    assert "It answers exactly as the incumbent does." in page
    assert "95 % interval 0.0 to 0.0" in page
    assert "mine@v1 is in service" in page
    print_table(report)
    # Brought by other code, or in another way, it is the same model: nothing is sampled again.
    record = json.loads((incumbent / "stage.json").read_text()) | {"key": "another"}
    (incumbent / "stage.json").write_text(json.dumps(record))
    monkeypatch.setattr("z1.stages.evaluate.open_engine", None)
    run_stage("evaluate", recipe, "evaluate", inputs, tmp_path / "evaluate")
    again = tmp_path / "evaluate" / "stage.json"
    assert json.loads(again.read_text())["parents"][2]["key"] == "another"


def test_without_a_model_in_service_any_candidate_may_go_there(recipe, sums_folder, tops, tmp_path):
    (tmp_path / "incumbent").mkdir()
    (tmp_path / "incumbent" / "incumbent.json").write_text("{}")
    inputs = {"problems": sums_folder, "tops": tops, "incumbent": tmp_path / "incumbent"}
    section = recipe.evaluate.model_copy(update={"seeds": [1], "greedy": False})
    few = recipe.model_copy(update={"evaluate": section})
    for registry, opens in ((None, None), ("somewhere", True)):
        changed = few.model_copy(update={"publish": Publish(registry=registry)})
        run_stage("evaluate", changed, "evaluate", inputs, tmp_path / "evaluate")
        report = json.loads((tmp_path / "evaluate" / "report.json").read_text())
        assert {model["name"] for model in report["models"]} == {"base", "tops"}
        page = (tmp_path / "evaluate" / "report.html").read_text()
        if opens is None:
            assert report["gate"] is None
            assert "in service" not in page
        else:
            assert report["gate"]["opens"]
            assert "No model is in service yet" in page


def test_names_of_the_runs_own_models_are_kept_for_them():
    known = {*MODELS, *(model for model, _ in CURVES)}
    assert set(OWN_MODELS) == known
    for name in OWN_MODELS:
        with pytest.raises(ValueError, match="is the name of a model of the run"):
            Baseline(name=name, model="m")


def test_all_models_tokens_can_be_counted_by_one_tokenizer(
    budgeted, sums_folder, trained, tmp_path
):
    words = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = Split("=", "isolated")  # so that "1+2=3" is three tokens
    counting = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", eos_token="?")
    counting.chat_template = "{{ messages[0].content }}"
    counting.save_pretrained(tmp_path / "words")
    section = budgeted.evaluate.model_copy(update={"tokenizer": str(tmp_path / "words")})
    changed = budgeted.model_copy(update={"evaluate": section})
    inputs = {"problems": sums_folder, "tops": trained["tops"]}
    run_stage("evaluate", changed, "evaluate", inputs, tmp_path / "evaluate")
    report = json.loads((tmp_path / "evaluate" / "report.json").read_text())

    def count(text):
        return 2 * text.count("=") + 1 if text else 0

    for model in report["models"]:
        kept = scan(tmp_path / "evaluate" / "verdicts" / f"{model['name']}.parquet", EVALUATED)
        rows = kept.filter(pl.col("temperature") == model["temperature"]).collect()
        assert model["thinking_tokens"] == pytest.approx(fmean(map(count, rows["text"])))
        assert model["thinking_tokens"] != pytest.approx(rows["thinking_tokens"].mean())
    within = scan(
        tmp_path / "evaluate" / "verdicts" / "budgets" / "tops.parquet", BUDGETED
    ).collect()
    for row in report["budgets"]:
        rows = within.filter(pl.col("method") == row["method"], pl.col("budget") == row["budget"])
        thought = [r["text"] if r["reasoning"] is None else r["reasoning"] for r in rows.to_dicts()]
        assert row["thinking_tokens"] == pytest.approx(fmean(map(count, thought)))
