import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from click.testing import CliRunner

from z1.cli import main
from z1.recipe import Recipe, Sampling
from z1.verifiers.sandbox import backends

COMMANDS = [
    ["run"],
    ["stage"],
    ["verify"],
    ["evaluate"],
    ["recipe"],
    ["recipe", "check"],
    ["recipe", "keys"],
    ["problems"],
    ["problems", "check"],
    ["plan"],
    ["report"],
    ["versions"],
    ["lineage"],
    ["pull"],
    ["promote"],
    ["submit"],
    ["schedule"],
    ["tiny-base"],
    ["deploy"],
    ["rollback"],
]


def z1(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "z1.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def own_problems(tmp_path: Path, demo: Recipe) -> Path:
    """The demo's recipe on forty sums from a file."""
    rows = [{"prompt": f"{i} + 27", "answer": i + 27, "verifier": "math"} for i in range(10, 50)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = demo.model_dump(mode="json") | {"name": "mine"}
    content["problems"] = {
        "sources": [{"kind": "file", "path": "sums.jsonl"}],
        "splits": {"evaluation": 0.25, "seed": 0.25, "train": 0.25, "iteration": 0.25},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_help_imports_nothing_heavy():
    heavy = ["torch", "transformers", "trl", "kfp", "polars", "datasets", "matplotlib", "pydantic"]
    heavy += ["kubernetes", "openai"]
    code = (
        "import sys; from z1.cli import main; main(['--help'], standalone_mode=False);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command):
    done = CliRunner().invoke(main, [*command, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 4


def test_wrong_recipe_is_one_error_with_every_mistake_and_code_2(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\nsed: 1\nseed: high\n")
    done = z1("recipe", "check", path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {path}")
    assert "sed: unknown key" in done.stderr
    assert "seed: " in done.stderr.replace("sed: ", "")
    assert "Traceback" not in done.stderr


def test_built_in_recipe_has_no_mistakes():
    done = CliRunner().invoke(main, ["recipe", "check", "demo"])
    assert done.exit_code == 0
    assert "demo.yaml: no mistakes" in done.output


@pytest.mark.parametrize(
    "command", [["run", "nowhere"], ["recipe", "check", "nowhere.yaml"]], ids=lambda c: c[0]
)
def test_missing_recipe_is_named(command):
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: nowhere")
    assert "demo" in done.stderr  # what there is instead


def test_recipe_keys_shows_types_defaults_and_meanings():
    lines = CliRunner().invoke(main, ["recipe", "keys"]).output.splitlines()
    at = lines.index("generate.top_p: number (above 0 and at most 1); default: 1.0")
    assert lines[at + 1].strip() == Sampling.model_fields["top_p"].description


def test_a_pipeline_without_kfp_asks_for_it():
    code = "import sys; sys.modules['kfp'] = None; from z1.cli import main; main()"
    command = [sys.executable, "-c", code, "submit", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: kfp is not installed here: pip install 'z1[kfp]'\n"


def test_stage_runs_by_hand_and_is_not_run_twice(tmp_path, own_problems):
    arguments = ["stage", "problems", "--recipe", str(own_problems), "--section", "problems"]
    arguments += ["--output", str(tmp_path / "problems")]
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 0, first.output
    assert "problems: kept 40 problems, dropped 0" in first.stdout
    written = (tmp_path / "problems" / "train.parquet").stat().st_mtime_ns
    # On standard error a long run says now and then how far it is.
    assert CliRunner().invoke(main, arguments).stdout == first.stdout
    assert (tmp_path / "problems" / "train.parquet").stat().st_mtime_ns == written


def test_stage_takes_inputs_and_options_by_name(tmp_path, own_problems):
    recipe = ["--recipe", str(own_problems)]
    made = ["stage", "problems", *recipe, "--section", "problems"]
    CliRunner().invoke(main, [*made, "--output", str(tmp_path / "problems")])
    asked = ["stage", "generate", *recipe, "--section", "teacher"]
    asked += ["--input", f"problems={tmp_path / 'problems'}", "--option", "efforts=all"]
    asked += ["--option", "split=seed", "--output", str(tmp_path / "replies")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "replies" / "stage.json").read_text())
    assert record["kept"] > 0
    assert record["parents"][0]["step"] == "problems"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "bake"}, "bake: no such stage"),
        ({"--section": "train.best"}, "train.best: the recipe has no such section"),
        ({"--input": "problems"}, "'problems' is not NAME=VALUE"),
        ({"--input": "problms=x"}, "'problms': problems knows no such input"),
        ({"name": "verify"}, "verify needs the input 'replies'"),
        ({"--option": "split=seed"}, "'split': problems knows no such option"),
        ({"--section": "train.tag"}, "takes one of the kind Problems, not SftTraining"),
    ],
    ids=["stage", "section", "form", "input", "needed", "option", "kind"],
)
def test_wrong_stage_arguments_are_named(tmp_path, change, message):
    given = {"--recipe": "demo", "--section": "problems", "--output": str(tmp_path / "out")}
    name = change.pop("name", "problems")
    pairs = [word for pair in (given | change).items() for word in pair]
    done = CliRunner().invoke(main, ["stage", name, *pairs])
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_verify_checks_any_replies_in_order(tmp_path):
    replies = tmp_path / "replies.jsonl"
    rows = [
        {"verifier": "math", "answer": "1/2", "text": "So it is \\boxed{0.5}.", "mine": 1},
        {"verifier": "choice", "answer": "B", "text": "The answer is C."},
        {"verifier": "exact", "answer": "61", "text": "23+45=68\n68-7=61\n61"},
    ]
    replies.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = CliRunner().invoke(main, ["verify", str(replies), "-o", str(tmp_path / "out.jsonl")])
    assert done.exit_code == 0, done.output
    verdicts = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [verdict["verdict"] for verdict in verdicts] == ["right", "wrong", "right"]
    assert verdicts[0]["mine"] == 1


def test_verify_writes_to_standard_output(tmp_path):
    reply = {"verifier": "exact", "answer": "é", "text": "é"}
    (tmp_path / "replies.jsonl").write_text(json.dumps(reply) + "\n")
    done = z1("verify", "replies.jsonl", "-o", "-", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == reply | {"verdict": "right", "reason": None}
    assert [path.name for path in tmp_path.iterdir()] == ["replies.jsonl"]


def test_broken_replies_leave_earlier_verdicts_as_they_were(tmp_path):
    (tmp_path / "replies.jsonl").write_text('{"verifier": "exact", "answer": "1"\n')
    (tmp_path / "out.jsonl").write_text("earlier\n")
    done = z1("verify", "replies.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: replies.jsonl")
    assert "1" in done.stderr.splitlines()[0]
    assert (tmp_path / "out.jsonl").read_text() == "earlier\n"


def test_ctrl_c_ends_verify_at_once_with_its_workers_and_writes_nothing(tmp_path):
    hangs = {"verifier": "math", "answer": "x^2+1", "text": r"\boxed{(x+y+z)^{500}}"}
    (tmp_path / "replies.jsonl").write_text((json.dumps(hangs) + "\n") * 64)
    command = [sys.executable, "-m", "z1.cli", "verify", "replies.jsonl", "-o", "out.jsonl"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        workers: list[psutil.Process] = []
        while len(workers) < min(2, len(os.sched_getaffinity(0))):
            assert process.poll() is None
            workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        started = time.monotonic()
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert time.monotonic() - started < 120  # where a single reply takes ten, and each has 32
    assert errors == "stopped\n"
    assert not psutil.wait_procs(workers, timeout=60)[1]
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_judged_program_ends_with_verify(tmp_path, sent):
    if all(backends.available().values()):
        pytest.skip("programs cannot be run safely on this machine")
    sleeps = {
        "verifier": "code",
        "answer": {"kind": "stdin", "tests": [{"input": "", "output": ""}]},
        "text": "```python\nimport os, time\nos.fork()\ntime.sleep(100)\n```",
    }
    (tmp_path / "replies.jsonl").write_text((json.dumps(sleeps) + "\n") * 6)
    command = [sys.executable, "-m", "z1.cli", "verify", "replies.jsonl", "-o", "out.jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        inside: list[psutil.Process] = []
        while len(inside) < 4:  # the worker, the sandbox, and the program twice
            assert process.poll() is None
            inside = psutil.Process(process.pid).children(recursive=True)
            time.sleep(0.1)
        time.sleep(1)  # into the wait for the verdicts
        inside = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        assert process.wait(60) == {signal.SIGINT: 130, signal.SIGKILL: -9}[sent]
    assert not psutil.wait_procs(inside, timeout=60)[1]


def test_problems_check_counts_good_answers_and_names_bad_ones(tmp_path):
    path = tmp_path / "problems.jsonl"
    good = {"prompt": "2+2", "answer": "4", "verifier": "math"}
    path.write_text(json.dumps(good) + "\n")
    assert "1 problems" in CliRunner().invoke(main, ["problems", "check", str(path)]).output
    bad = {"prompt": "Which?", "answer": "not a letter", "verifier": "choice"}
    path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    done = CliRunner().invoke(main, ["problems", "check", str(path)])
    assert done.exit_code == 2
    assert "2" in done.stderr


def test_tiny_base_is_an_ordinary_model_folder(tmp_path):
    folder = tmp_path / "tiny"
    assert CliRunner().invoke(main, ["tiny-base", str(folder)]).exit_code == 0
    assert json.loads((folder / "config.json").read_text())["model_type"] == "qwen3"
    assert list(folder.glob("*.safetensors"))
    for nowhere in (folder, folder / "config.json" / "sub"):
        assert CliRunner().invoke(main, ["tiny-base", str(nowhere)]).exit_code == 2
