"""The scripts in benchmarks/ measure what they say, at sizes that prove nothing but that."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "s3": "--large 1 --small 3 --small-kib 1 --rounds 1",
    "selection": "--rows 1200 2400 --rounds 1 --rules tokens",
    "startup": "--rounds 1 --stages gate",
    "train": "--rows 32 --rounds 1",
    "verify": "--programs 4 --tests 1 --replies 20 --rounds 1",
}
ONE_RATIO = {
    "s3": "small-upload",
    "selection": "tokens-slope",
    "startup": "help-over-allowed",
    "train": "z1-over-trl-same-settings",
    "verify": "math-over-math-verify",
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_prints_a_table_and_writes_its_ratios(name, tmp_path):
    path = tmp_path / "ratios.json"
    script = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *SMALL[name].split()]
    here = {"cwd": tmp_path, "env": {**os.environ, "TMPDIR": str(tmp_path)}}
    done = subprocess.run(
        [*script, "--json", path], capture_output=True, text=True, check=False, **here
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ratios = json.loads(path.read_text())["ratios"]
    assert ONE_RATIO[name] in ratios
    assert all(isinstance(ratio, float) for ratio in ratios.values())
    assert any(f"{ratio:.2f}" in done.stdout for ratio in ratios.values())
    assert set(tmp_path.iterdir()) == {path}  # nothing is left behind


@pytest.mark.timeout(1200)
def test_the_speed_of_generate_is_measured_against_its_engines(vllm_python, tmp_path):
    # Enough for vLLM to read the prompts in several steps, which must not cut one that has a seed.
    few = ["--problems", "120", "--rounds", "1", "--json", "ratios.json"]
    script = ROOT / "benchmarks" / "generate.py"
    done = subprocess.run(
        [vllm_python, script, *few], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]
    rows = [line.split("|")[1:5] for line in done.stdout.splitlines() if line.startswith("| vllm")]
    assert [way.strip() for _, way, *_ in rows][:2] == ["stage", "AsyncLLM"]
    # The same requests with the same seeds, so the same replies but for ties.
    assert int(rows[0][2]) == pytest.approx(int(rows[1][2]), rel=0.1)
    ratios = json.loads((tmp_path / "ratios.json").read_text())["ratios"]
    assert {"transformers-stage-over-generate", "vllm-stage-over-AsyncLLM"} <= set(ratios)
