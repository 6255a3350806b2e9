"""What many tests need: the demo recipe, small problem sets and the tiny model."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from z1.recipe import Recipe, load_recipe
from z1.records import PROBLEM, SPLITS, write_part

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def demo() -> Recipe:
    return load_recipe(ROOT / "recipes" / "demo.yaml")


@pytest.fixture
def sums_folder(tmp_path: Path) -> Path:
    """Four splits of four sums each, as the problems stage writes them."""
    folder = tmp_path / "problems"
    for number, split in enumerate(SPLITS):
        rows = [
            {
                "id": f"{split}-{i}",
                "prompt": f"{11 + number} + {20 + i}",
                "answer": f'"{31 + number + i}"',
                "verifier": "exact",
                "difficulty": "2 numbers",
                "source": "test",
            }
            for i in range(4)
        ]
        write_part(rows, folder / f"{split}.parquet", PROBLEM)
    return folder


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The Python of an environment with vLLM and z1."""
    named = os.environ.get("Z1_VLLM_PYTHON")
    if not named and not (ROOT / ".venv-vllm" / ".ready").is_file():
        pytest.skip("no environment with vLLM here: `make vllm-env` makes .venv-vllm")
    return named or str(ROOT / ".venv-vllm" / "bin" / "python")


# The machines that run these tests are shared, so that a slow example says nothing. Continuous
# integration always tries the same examples, so that its verdict is about the change alone.
settings.register_profile("z1", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("z1")
