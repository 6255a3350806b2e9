"""The papers' recipes end to end, with only model, counts and lengths made tiny.

The datasets are local copies under their names on the hub, with the columns and answer formats of
the real ones, and so go through the same loaders.
"""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from z1.models import load_model, load_tokenizer
from z1.recipe import BaseModelSection, load_recipe
from z1.records import EFFORTS
from z1.tiny.sums import solve
from z1.training.rows import sft_rows
from z1.training.trainers import save_model, train_sft

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "benchmarks"
FULL = ["tops-qwen2.5-32b", "tops-llama3.1-8b"]


def draw(rng: random.Random, count: int) -> list[list[int]]:
    return [[rng.randrange(10, 100) for _ in range(rng.choice([2, 3]))] for _ in range(count)]


def put(terms: list[int]) -> str:
    return " + ".join(map(str, terms))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the datasets, and a tiny model that knows the recipes' effort prompts."""
    folder = tmp_path_factory.mktemp("full")
    rng = random.Random(0)
    recipe = load_recipe(ROOT / "recipes" / f"{FULL[0]}.yaml")
    write_datasets(folder, rng)
    tokenizer = load_tokenizer(BaseModelSection(path="tiny"), recipe.efforts)
    examples = [
        {"prompt": put(terms), "text": solve(terms, effort, rng), "effort": effort}
        for terms in draw(rng, 160)
        for effort in EFFORTS
    ]
    examples += [{**example, "effort": None} for example in examples[::6]]
    rows, _ = sft_rows(tokenizer, examples, 512)
    training = recipe.train.tag.model_copy(
        update={"learning_rate": 1e-3, "batch_size": 16, "device_batch_size": 16, "epochs": 3}
    )
    model = load_model(BaseModelSection(path="tiny"), "float32")
    trained = train_sft(model, tokenizer, rows, training, folder / "taught", 0, lambda *_: None)
    plain = load_tokenizer(BaseModelSection(path="tiny"))
    save_model(trained["model"], plain, folder / "taught", efforts=False)
    return folder


def write_datasets(folder: Path, rng: random.Random) -> None:
    """Write what the recipes name, under the same paths, as their hub repositories hold it."""

    def write(
        path: str, rows: list[dict[str, Any]], split: str = "train", config: str = ""
    ) -> None:
        home = folder / path
        home.mkdir(parents=True)
        pl.DataFrame(rows).write_parquet(home / f"{split}.parquet")
        card = {"config_name": config or "default", "data_files": f"{split}.parquet"}
        card = {**card, "data_files": [{"split": split, "path": f"{split}.parquet"}]}
        (home / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': [card]})}---\n")

    def answers(count: int) -> list[tuple[str, int]]:
        return [(put(terms), sum(terms)) for terms in draw(rng, count)]

    write(
        "openai/gsm8k",
        [{"question": q, "answer": f"Adding up.\n#### {a}"} for q, a in answers(12)],
        "test",
        "main",
    )
    write(
        "HuggingFaceH4/MATH-500",
        [
            {"problem": q, "solution": f"It is $\\boxed{{{a}}}$.", "answer": str(a), "level": 3}
            for q, a in answers(12)
        ],
        "test",
    )
    aime_2024 = answers(6)
    write(
        "HuggingFaceH4/aime_2024",
        [
            {"id": i, "problem": q, "solution": "", "answer": f"{a:03d}", "year": "2024"}
            for i, (q, a) in enumerate(aime_2024)
        ],
    )
    write(
        "qwedsacf/competition_math",
        [
            {"problem": q, "level": "Level 2", "type": "", "solution": f"\\boxed{{{a}}}"}
            for q, a in answers(40)
        ],
    )
    old = [{"Year": 1999, "Question": q, "Answer": str(a)} for q, a in answers(20)]
    new = [{"Year": 2024, "Question": f"{q} + 0", "Answer": str(a)} for q, a in aime_2024]
    write("di-zhang-fdu/AIME_1983_2024", old + new)
    proof = {"source": "olympiads", "problem": "Prove it.", "solution": "Clear.", "messages": []}
    write(
        "AI-MO/NuminaMath-CoT",
        [
            {"source": "synthetic", "problem": q, "solution": f"\\boxed{{{a}}}", "messages": []}
            for q, a in answers(400)
        ]
        + [proof] * 5,
    )


def write_questions(folder: Path, rng: random.Random) -> None:
    """Write questions and a teacher's replies in the columns of Z1-Code-Reasoning-107K."""
    rows = [
        {
            "id": i,
            "question": put(terms),
            "response": solve(terms, "high" if i % 2 else "medium", rng),
            "token_num_qwen": 100,
        }
        for i, terms in enumerate(draw(rng, 120))
    ]
    rows[0]["response"] = "Wait, let me add these up once more to be sure.\n" * 40
    home = folder / "efficientscaling" / "Z1-Code-Reasoning-107K"
    home.mkdir(parents=True)
    pl.DataFrame(rows).write_parquet(home / "train.parquet")
    pl.DataFrame(rows).write_parquet(folder / "z1.parquet")


@pytest.mark.parametrize("replies", ["sampled", "from the paper's file"])
def test_the_full_size_z1_recipe_runs_end_to_end(replies, shelf):
    content = yaml.safe_load((ROOT / "recipes" / "z1-qwen2.5-coder-7b.yaml").read_text())
    taught = str(shelf / "taught")
    content["name"] = f"z1-{replies.split()[0]}"
    content["model"]["path"] = content["teacher"]["model"] = taught
    content["teacher"]["engine"] = "transformers"  # which is at hand wherever tests run
    small = {"max_tokens": 160, "batch_size": 128, "part_size": 512, "engine": "transformers"}
    content["teacher"]["sampling"].update(small)
    content["evaluate"]["sampling"].update(small)
    content["evaluate"].update(budgets=[4, 20], resamples=100, rounds=True, reach="base")
    training = {"batch_size": 16, "device_batch_size": 16, "epochs": 1, "max_length": 512}
    content["train"]["z1"].update(training, dtype="float32")
    for source in content["problems"]["sources"][1:]:
        source["path"] = str(FIXTURES / f"{source['name']}.jsonl")
    for baseline in content["evaluate"]["baselines"]:
        baseline["model"] = taught
    if replies != "sampled":
        content["evaluate"]["baselines"] = []
        content["teacher"] = {"engine": "file", "replies": "z1.parquet"}
        content["select"]["tokens"] = 2000
    if not (shelf / "z1.parquet").exists():
        write_questions(shelf, random.Random(1))
    recipe = shelf / f"{content['name']}.yaml"
    recipe.write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "z1.cli", "run", recipe.name]
    result = subprocess.run(command, cwd=shelf, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    out = shelf / "runs" / content["name"]
    report = json.loads((out / "report.json").read_text())
    baselines = {baseline["name"] for baseline in content["evaluate"]["baselines"]}
    assert {model["name"] for model in report["models"]} == {"base", "z1", *baselines}
    assert {row["model"] for row in report["budgets"]} == {"base", "z1", *baselines}
    assert {row["budget"] for row in report["budgets"]} == {4, 20}
    benchmarks = {"MATH500", "GPQA Diamond", "LiveCodeBench v5", "BigCodeBench-Hard"}
    assert set(report["models"][0]["by_difficulty"]) == benchmarks
    # No judge reads the rounds of programs, and the report says so.
    assert all(row["unjudged"] == 5 for row in report["rounds"])
    stages = {stage["name"]: stage for stage in report["stages"]}
    problems = pl.read_parquet(out / "problems" / "train.parquet")
    assert problems["verifier"].null_count() == len(problems) > 100
    assert stages["replies"]["kept"] == len(problems)
    if replies != "sampled":
        assert stages["kept"]["reasons"] == {"repeats itself": 1}
        assert stages["subset"]["reasons"]["beyond select.tokens"] > 0
        assert pl.read_parquet(out / "subset" / "*.parquet")["thinking_tokens"].sum() <= 2000


def make_tiny(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Replace a full-size recipe's models, engine, counts and lengths, and nothing else."""
    taught = str(folder / "taught")
    content["teacher"]["engine"] = "transformers"  # which is at hand wherever tests run
    content["model"]["path"] = taught
    content["teacher"]["model"] = taught
    samplings = (
        content["teacher"]["sampling"],
        content["generate"],
        content["iterate"],
        content["evaluate"]["sampling"],
    )
    for sampling in samplings:
        sampling.update(max_tokens=48, batch_size=128, part_size=512, engine="transformers")
    content["iterate"]["samples"] = 4
    content["evaluate"].update(seeds=[1, 2], resamples=100)
    for baseline in content["evaluate"]["baselines"]:
        baseline["model"] = taught
    content["select"]["min_gap"] = 0
    for training in content["train"].values():
        training.update(batch_size=16, device_batch_size=16, epochs=1, max_length=512)
    for source in content["problems"]["sources"]:
        source.update(count=min(source.get("count", 400), 400))
    return content


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FULL)
def test_a_full_size_recipe_runs_end_to_end(name, shelf):
    content = make_tiny(yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text()), shelf)
    (shelf / f"{name}.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "z1.cli", "run", f"{name}.yaml"]
    result = subprocess.run(command, cwd=shelf, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    out = shelf / "runs" / name
    report = json.loads((out / "report.json").read_text())
    baselines = [baseline["name"] for baseline in content["evaluate"]["baselines"]]
    names = list(dict.fromkeys(model["name"] for model in report["models"]))
    assert names == ["base", "tag", "random", "tops", "iter-sft", "iter-dpo", *baselines]
    figures = [model | {"name": ""} for model in report["models"] if model["name"] in baselines]
    # One model under several names is right as often under each.
    assert len({model["accuracy"] for model in figures if model["temperature"] == 0}) == 1
    assert set(report["models"][0]["by_difficulty"]) == {"GSM8K", "MATH500", "AIME24"}
    problems = {
        split: pl.read_parquet(out / "problems" / f"{split}.parquet")
        for split in ("evaluation", "seed", "train", "iteration")
    }
    sources = {
        split: {Path(source).relative_to(shelf).as_posix() for source in frame["source"]}
        for split, frame in problems.items()
    }
    assert sources["evaluation"] == {
        "openai/gsm8k",
        "HuggingFaceH4/MATH-500",
        "HuggingFaceH4/aime_2024",
    }
    assert sources["seed"] == {"AI-MO/NuminaMath-CoT"}
    assert sources["iteration"] == {
        "qwedsacf/competition_math",
        "di-zhang-fdu/AIME_1983_2024",
    }
    # Later than 2023, though put in other words than in the evaluation.
    assert not problems["iteration"]["prompt"].str.ends_with("+ 0").any()
    tag = load_tokenizer(str(out / "tag"))
    asked = tag.apply_chat_template(
        [{"role": "user", "content": "1 + 2"}], tokenize=False, reasoning_effort="low"
    )
    assert content["efforts"]["low"] in asked
