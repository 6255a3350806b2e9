import json

import polars as pl
import pytest

from z1.errors import InputError
from z1.models import encode_prompt, load_tokenizer
from z1.records import EXAMPLE, PROBLEM, write_part
from z1.stages import run_stage, sft


@pytest.fixture
def recipe(demo):
    def quick(training):
        changes = {"batch_size": 4, "device_batch_size": 4, "epochs": 1}
        return training.model_copy(update=changes)

    names = ("tops", "tops_stop", "tops_tags")
    changes = {name: quick(getattr(demo.train, name)) for name in names}
    return demo.model_copy(update={"train": demo.train.model_copy(update=changes)})


@pytest.fixture
def examples(sums_folder, tmp_path):
    """Right replies to the training problems."""
    problems = pl.read_parquet(sums_folder / "train.parquet")
    rows = [
        {
            "problem_id": name,
            "prompt": prompt,
            "text": f"{prompt.replace(' ', '')}={json.loads(answer)}",
            "thinking_tokens": 8,
            "effort": None,
            "source_effort": "low",
        }
        for name, prompt, answer in problems.select("id", "prompt", "answer").iter_rows()
    ]
    write_part(rows, tmp_path / "examples" / "part-0.parquet", EXAMPLE)
    return tmp_path / "examples"


def test_a_model_trained_to_stop_says_how_many_replies_were_cut(
    recipe, examples, sums_folder, tmp_path
):
    inputs = {"examples": examples, "problems": sums_folder}
    record = run_stage("sft", recipe, "train.tops_stop", inputs, tmp_path / "tops-stop")
    assert record["kept"] == 4
    assert sum(record["details"]["replies"].values()) == 4
    prompts = [
        encode_prompt(load_tokenizer(model), "1 + 2", None)
        for model in ("tiny", str(tmp_path / "tops-stop"))
    ]
    assert prompts[0] == prompts[1]


def test_a_model_trained_with_tags_is_asked_with_the_opening_one(
    recipe, examples, sums_folder, tmp_path, capfd
):
    inputs = {"examples": examples, "problems": sums_folder}
    run_stage("sft", recipe, "train.tops_tags", inputs, tmp_path / "tops-tags")
    shown = capfd.readouterr().out
    assert repr("+20=33\n}\n33<|end|>")[1:-1] in shown.split("learnt")[1]
    tokenizer = load_tokenizer(str(tmp_path / "tops-tags"))
    asked = tokenizer.decode(encode_prompt(tokenizer, "1 + 2", None))
    assert asked.endswith(recipe.train.tops_tags.tags.opening)


def test_problems_that_are_needed_and_not_there_are_named(recipe, examples, sums_folder, tmp_path):
    def attempt(**inputs):
        inputs["examples"] = examples
        run_stage("sft", recipe, "train.tops_stop", inputs, tmp_path / "out")

    with pytest.raises(InputError, match="give the input 'problems'"):
        attempt()
    (sums_folder / "train.parquet").unlink()
    with pytest.raises(InputError, match="train-0: 4 examples are of problems that are not"):
        attempt(problems=sums_folder)
    other = pl.read_parquet(sums_folder / "seed.parquet").with_columns(
        id=pl.format("train-{}", pl.int_range(pl.len())), answer=pl.lit("[1]")
    )
    write_part(other, sums_folder / "train.parquet", PROBLEM)
    with pytest.raises(InputError, match="none to teach"):
        attempt(problems=sums_folder)


def test_a_section_that_the_recipe_leaves_out_is_named(recipe, examples, tmp_path):
    without = recipe.train.model_copy(update={"tops_stop": None})
    changed = recipe.model_copy(update={"train": without})
    with pytest.raises(InputError, match=r"train\.tops_stop: the recipe leaves this section out"):
        run_stage("sft", changed, "train.tops_stop", {"examples": examples}, tmp_path / "out")


def test_the_hint_makes_anew_only_what_was_trained_to_stop(recipe, examples, sums_folder, tmp_path):
    inputs = {"examples": examples, "problems": sums_folder}
    other = recipe.model_copy(
        update={"window": recipe.window.model_copy(update={"hint": "\nso\n"})}
    )
    changed = {}
    for section in ("train.tops", "train.tops_stop"):
        keys = {
            run_stage("sft", each, section, inputs, tmp_path / section)["key"]
            for each in (recipe, other)
        }
        changed[section] = len(keys) == 2
    assert changed == {"train.tops": False, "train.tops_stop": True}


def test_wrong_rounds_are_read_and_not_learnt(recipe, sums_folder, tmp_path, monkeypatch):
    problems = pl.read_parquet(sums_folder / "train.parquet")
    texts, masked = {}, []
    for name, prompt, answer in problems.select("id", "prompt", "answer").iter_rows():
        total = int(json.loads(answer))
        texts[name] = (
            f"{prompt.replace(' ', '')}={total - 1}\ncheck\n{prompt[5:]}+{prompt[:2]}={total}\n"
        )
        masked.append(texts[name].partition("check")[0])
    texts["train-3"] = texts["train-3"].partition("check\n")[2]  # right at once
    rows = [
        {
            "problem_id": name,
            "prompt": prompt,
            "text": texts[name],
            "thinking_tokens": 8,
            "effort": None,
            "source_effort": "high",
        }
        for name, prompt in problems.select("id", "prompt").iter_rows()
    ]
    write_part(rows, tmp_path / "examples" / "part-0.parquet", EXAMPLE)
    section = recipe.train.tops.model_copy(update={"mask_wrong_rounds": True})
    changed = recipe.model_copy(update={"train": recipe.train.model_copy(update={"tops": section})})
    seen = []
    run = sft.run_job
    monkeypatch.setattr(sft, "run_job", lambda job, *rest: seen.extend(job.rows) or run(job, *rest))
    inputs = {"examples": tmp_path / "examples", "problems": sums_folder}
    record = run_stage("sft", changed, "train.tops", inputs, tmp_path / "out")
    assert record["details"]["rounds"] == {"masked": 3, "learnt": 4}
    tokenizer = load_tokenizer("tiny")
    for name, row, wrong in zip(texts, seen, [*masked[:3], ""], strict=True):
        learnt = [
            token
            for token, label in zip(row["input_ids"], row["labels"], strict=True)
            if label == token
        ]
        assert tokenizer.decode(learnt, skip_special_tokens=True) == texts[name].removeprefix(wrong)
        assert texts[name] in tokenizer.decode(row["input_ids"])
    assert (tmp_path / "out" / "config.json").is_file()


def test_wrong_rounds_that_no_verifier_can_find_are_not_masked(
    recipe, examples, sums_folder, tmp_path
):
    code = pl.read_parquet(sums_folder / "train.parquet").with_columns(verifier=pl.lit("code"))
    write_part(code, sums_folder / "train.parquet", PROBLEM)
    section = recipe.train.tops.model_copy(update={"mask_wrong_rounds": True})
    changed = recipe.model_copy(update={"train": recipe.train.model_copy(update={"tops": section})})
    inputs = {"examples": examples, "problems": sums_folder}
    with pytest.raises(InputError, match="leave out 'mask_wrong_rounds'"):
        run_stage("sft", changed, "train.tops", inputs, tmp_path / "out")
