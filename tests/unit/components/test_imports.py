"""A step imports nothing that it does not use: its image need not hold it, its start not wait."""

import subprocess
import sys

import pytest

HEAVY = {
    *("torch", "transformers", "trl", "vllm", "kfp", "kubernetes", "datasets", "matplotlib"),
    *("boto3", "dvc", "gto", "openai", "reasoning_gym", "math_verify"),
}
POOLS = {
    "cpu": (
        *("problems", "merge", "verify", "filter", "select"),
        *("incumbent", "added", "publish", "gate", "deploy"),
    ),
    # transformers brings in boto3 where that is installed.
    "gpu": ("generate", "evaluate", "sft", "dpo"),
}
USED = {"cpu": set(), "gpu": {"torch", "transformers", "boto3"}}


@pytest.mark.parametrize("pool", POOLS)
def test_stages_come_without_libraries_that_they_may_not_need(pool):
    stages = ", ".join(f"z1.stages.{name}" for name in POOLS[pool])
    code = f"import sys, z1.stages.component, {stages}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) <= USED[pool]
