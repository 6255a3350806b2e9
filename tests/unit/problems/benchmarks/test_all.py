"""What holds for every benchmark."""

import importlib
import json
from pathlib import Path

import polars as pl
import pytest

from z1.errors import InputError
from z1.problems.benchmarks import BENCHMARKS, read_benchmark
from z1.problems.check import check_problems
from z1.recipe import BenchmarkSource

FIXTURES = Path(__file__).parents[3] / "fixtures" / "benchmarks"
every = pytest.mark.parametrize("name", BENCHMARKS)


def source(name, path=None, **more):
    return BenchmarkSource(kind="benchmark", name=name, path=path, **more)


@every
def test_its_problems_have_ids_prompts_and_answers(name):
    found, _ = read_benchmark(source(name, FIXTURES / f"{name}.jsonl"), "here")
    module = importlib.import_module(BENCHMARKS[name])
    assert found["id"].is_unique().all()
    assert found["id"].str.starts_with(f"{name}/").all()
    assert set(found["source"]) == {module.DATASET}
    for prompt, question in found.select("prompt", "question").iter_rows():
        assert prompt == module.PROMPT.replace("{question}", question) != question
    assert found["prompt"].str.len_bytes().max() < 350  # for a model of 512 tokens, a byte each


def test_answers_pass_their_own_verifiers():
    found = pl.concat(
        read_benchmark(source(name, FIXTURES / f"{name}.jsonl"), "here")[0] for name in BENCHMARKS
    )
    plain = found.filter(pl.col("verifier") != "code")
    assert len(plain) == 11
    assert check_problems(plain)["where"].to_list() == []


@every
def test_a_copy_of_the_hubs_files_gives_the_same_problems(name, tmp_path, rows):
    """As a folder like the hub's, or with all files in one place."""
    module = importlib.import_module(BENCHMARKS[name])
    expected = read_benchmark(source(name, FIXTURES / f"{name}.jsonl"), "here")[0]
    table = pl.DataFrame(rows(name))
    for home, flat in ((tmp_path / "hub", False), (tmp_path / "flat", True)):
        for number, file in enumerate(module.FILES):
            path = home / (Path(file).name if flat else file)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = table if len(module.FILES) == 1 else table[number : number + 1]
            kind = path.suffix.removeprefix(".").replace("jsonl", "ndjson")
            getattr(part, f"write_{kind}")(path)
        found = read_benchmark(source(name, home), "here")[0]
        assert found.drop("where").equals(expected.drop("where"))


@every
def test_without_the_hub_the_error_says_which_file_to_put_where(name):
    module = importlib.import_module(BENCHMARKS[name])
    with pytest.raises(InputError) as raised:
        read_benchmark(source(name, revision="none-such"), "problems.sources.3")
    message = str(raised.value)
    assert message.startswith(f"problems.sources.3: {module.TITLE}")
    assert f"put {', '.join(module.FILES)} of https://huggingface.co/datasets/" in message
    assert module.DATASET in message
    assert "--benchmark-path" in message


@every
def test_a_folder_without_its_files_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"has no .*\n.*put .* into .* folder"):
        read_benchmark(source(name, tmp_path), "here")


@every
def test_a_missing_column_is_named(name, rows, read):
    first = rows(name)[0]
    for column in first:
        rest = {key: value for key, value in first.items() if key != column}
        try:
            read(name, [rest])
        except InputError as error:
            assert f"column '{column}'" in str(error)  # noqa: PT017 - most columns are not needed
            break
    else:
        pytest.fail("it needs no column")


def test_the_prompt_can_be_the_users_own(rows, read):
    problems, _ = read("gsm8k", rows("gsm8k"), prompt="Q: {question} A:")
    assert problems[0]["prompt"] == f"Q: {rows('gsm8k')[0]['question']} A:"


def test_a_line_that_is_no_row_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "q", "answer": "#### 1"}) + "\n[1]\n")
    with pytest.raises(InputError, match=r"rows\.jsonl, line 2: not a JSON object"):
        read_benchmark(source("gsm8k", path), "here")
    path.write_text("")
    with pytest.raises(InputError, match="no problem of GSM8K here"):
        read_benchmark(source("gsm8k", path), "here")


def test_an_unknown_name_gets_the_list(tmp_path):
    with pytest.raises(InputError, match=r"'math5000'; there are gsm8k, math500"):
        read_benchmark(source("math5000"), "here")
