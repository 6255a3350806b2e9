"""The benchmark of starting: its table and its figures, of a few starts."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "startup.py"


def test_the_benchmark_of_starting_prints_a_table_and_writes_its_ratio(tmp_path):
    written = tmp_path / "startup.json"
    few = ["--rounds", "1", "--stages", "gate", "--json", written]
    done = subprocess.run(
        [sys.executable, BENCHMARK, *few], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| start", "| z1 --help", "| z1 plan demo", "| gate"]
    assert "polars" in rows[-1][-1]
    assert "torch" not in rows[-1][-1]
    [ratio] = json.loads(written.read_text())["ratios"].values()
    assert ratio > 0
