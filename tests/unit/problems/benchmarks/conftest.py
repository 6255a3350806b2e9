import json
from pathlib import Path

import pytest

from z1.problems.benchmarks import read_benchmark
from z1.recipe import BenchmarkSource

FIXTURES = Path(__file__).parents[3] / "fixtures" / "benchmarks"


@pytest.fixture
def rows():
    """Return the rows of a benchmark's fixture, which has the columns of the published files."""
    return lambda name: [
        json.loads(line) for line in (FIXTURES / f"{name}.jsonl").read_text().splitlines()
    ]


@pytest.fixture
def read(tmp_path):
    """Read rows as a benchmark; return its problems with their answers decoded, and the counts."""

    def read(name, rows, **more):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = BenchmarkSource(kind="benchmark", name=name, path=path, **more)
        found, dropped = read_benchmark(source, "here")
        problems = found.to_dicts()
        return [row | {"answer": json.loads(row["answer"])} for row in problems], dict(dropped)

    return read
