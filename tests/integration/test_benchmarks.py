"""`z1 evaluate` on every benchmark's fixture, with the tiny model, in both engines."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from z1.cli import main
from z1.evaluation.budgets import BUDGETED
from z1.evaluation.metrics import EVALUATED
from z1.problems.benchmarks import BENCHMARKS
from z1.records import scan
from z1.tiny import write_tiny

FIXTURES = Path(__file__).parents[1] / "fixtures" / "benchmarks"
COUNTS = dict(zip(BENCHMARKS, (3, 3, 2, 3, 3, 2), strict=True))
# Runs each command line of a JSON list in one process, so that vLLM starts once.
MANY = """
import json, sys
from click.testing import CliRunner
from z1.cli import main

if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        done = CliRunner().invoke(main, arguments)
        print(done.output, file=sys.stderr)
        assert done.exit_code == 0, done.exception
"""


def command(name, output, *more):
    path = FIXTURES / f"{name}.jsonl"
    where = ["--benchmark-path", str(path), "--output", str(output)]
    return ["evaluate", "--benchmark", name, "--model", "tiny", *where, *more]


def check(name, output, budgets=()):
    """Check what `z1 evaluate` has written."""
    report = json.loads((output / "report.json").read_text())
    [figures] = report["models"]
    assert (figures["name"], figures["problems"], figures["errors"]) == ("tiny", COUNTS[name], 0)
    replies = scan(output / "evaluate" / "verdicts" / "tiny.parquet", EVALUATED).collect()
    assert replies.height == COUNTS[name]
    assert replies["problem_id"].str.starts_with(f"{name}/").all()
    assert figures["accuracy"] == (replies["verdict"] == "right").mean()
    assert figures["thinking_tokens"] == pytest.approx(replies["thinking_tokens"].mean())
    assert "<!doctype html>" in (output / "report.html").read_text()
    within = output / "evaluate" / "verdicts" / "budgets" / "tiny.parquet"
    assert {(row["method"], row["budget"]) for row in report["budgets"]} == {
        (method, budget) for method in ("window", "truncation") for budget in budgets
    }
    if budgets:
        table = scan(within, BUDGETED).collect()
        assert table.height == 2 * len(budgets) * COUNTS[name]
        assert (table["thinking_tokens"] <= table["budget"]).all()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_end_to_end(name, tmp_path):
    done = CliRunner().invoke(
        main, command(name, tmp_path, "--budgets", "8,3", "--max-tokens", "200")
    )
    assert done.exit_code == 0, done.output
    check(name, tmp_path, [3, 8])
    assert f"{name}-tiny: {COUNTS[name]} problems, temperature 0, 1 seed" in done.output
    assert "± standard error" in done.output
    assert "tiny, truncated" in done.output


@pytest.mark.timeout(900)
def test_every_benchmark_runs_with_vllm(vllm_python, tmp_path):
    names = [*BENCHMARKS]
    more = ["--engine", "vllm", "--budgets", "256,512"]
    commands = json.dumps([command(name, tmp_path / name, *more) for name in names])
    (tmp_path / "many.py").write_text(MANY)
    run = [vllm_python, tmp_path / "many.py", commands]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    for name in names:
        report = json.loads((tmp_path / name / "report.json").read_text())
        # The tiny model's 512 tokens have no room for these budgets, so they were lowered.
        budgets = {row["budget"] for row in report["budgets"]}
        assert max(budgets) < 400
        check(name, tmp_path / name, sorted(budgets))
    assert "budget 512: lowered to" in done.stderr or "budget 256, 512: lowered to" in done.stderr


def test_sampled_replies_are_counted_by_seed(tmp_path):
    hot = ["--temperature", "1", "--seeds", "4,7", "--max-tokens", "20"]
    done = CliRunner().invoke(main, command("aime2024", tmp_path, *hot))
    assert done.exit_code == 0, done.output
    assert "2 problems, temperature 1, 2 seeds" in done.output
    replies = pl.read_parquet(tmp_path / "evaluate" / "verdicts" / "tiny.parquet")
    assert set(replies["seed"]) == {4, 7}
    # Nothing is claimed of a run that there was not.
    remarks = " ".join(json.loads((tmp_path / "report.json").read_text())["remarks"])
    assert "Not part of this run" not in remarks
    assert "no model of this run" not in remarks


def test_without_the_hub_the_command_says_what_to_do(tmp_path):
    run = [sys.executable, "-m", "z1.cli", "evaluate", "--benchmark", "math500", "--model", "tiny"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "put test.jsonl of https://huggingface.co/datasets/HuggingFaceH4/MATH-500" in done.stderr
    assert "--benchmark-path" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_longer_than_the_context_is_named(tmp_path):
    path = tmp_path / "long.jsonl"
    rows = [{"question": "1 + " * i + "1", "answer": f"#### {i + 1}"} for i in (2, 150)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = ["evaluate", "--benchmark", "gsm8k", "--model", "tiny", "--benchmark-path", str(path)]
    done = CliRunner().invoke(main, [*run, "--output", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "long.jsonl, line 2: its prompt has" in done.output
    assert "do not fit into the model's context of 512" in done.output


def test_a_trained_model_has_a_name_of_its_own(tmp_path):
    write_tiny(tmp_path / "demo" / "tops")
    path = ["--model", str(tmp_path / "demo" / "tops"), "--output", str(tmp_path / "out")]
    short = ["--max-tokens", "10", "--benchmark-path", str(FIXTURES / "aime2024.jsonl")]
    done = CliRunner().invoke(main, ["evaluate", "--benchmark", "aime2024", *path, *short])
    assert done.exit_code == 0, done.output
    assert "aime2024-demo-tops: 2 problems" in done.output


@pytest.mark.parametrize("budgets", ["256,", "a", "1.5", "-3"])
def test_budgets_that_are_no_numbers_are_refused(budgets):
    done = CliRunner().invoke(main, command("gsm8k", "out", "--budgets", budgets))
    assert done.exit_code == 2
    assert "256,512" in done.output
