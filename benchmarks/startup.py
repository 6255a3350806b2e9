"""What does it cost to start? `z1 --help` over an empty Python, and what each component imports.

    python benchmarks/startup.py --json startup.json

Processor seconds, since other load on the machine leaves them nearly alone: of `z1 --help` and of
`python -c pass`, in turns, the median of the difference being the price of a start (aim: under 0.3
s). Then of each KFP component's module of its stage, with the heavy libraries that come with it.
The peer is the same Python without z1.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
from pathlib import Path

HEAVY = (
    *("torch", "transformers", "trl", "vllm", "kfp", "kubernetes", "datasets", "matplotlib"),
    *("boto3", "dvc", "openai", "reasoning_gym", "math_verify", "sympy", "polars", "pydantic"),
)
STAGES = (
    *("problems", "generate", "merge", "verify", "filter", "select", "sft", "dpo", "evaluate"),
    *("incumbent", "added", "publish", "gate", "deploy"),
)
AIM = 0.3
LOADED = f"import sys, json; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"


def run(*arguments: str) -> tuple[float, str]:
    """Return the processor seconds of a Python with arguments, and what it prints."""
    before = os.times()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system
    return spent - before.children_system, done.stdout


def bootstrap(values: list[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[-50]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write the ratios to")
    parser.add_argument("--rounds", type=int, default=15, help="[15]")
    parser.add_argument("--stages", action="store_true", help="also import each stage")
    options = parser.parse_args()
    help_, empty = ("-m", "z1.cli", "--help"), ("-c", "pass")
    run(*help_)  # compiles what is new
    rounds = []
    for number in range(options.rounds):
        order = (help_, empty) if number % 2 else (empty, help_)
        seconds = {arguments: run(*arguments)[0] for arguments in order}
        rounds.append((seconds[help_], seconds[empty]))
    more = [one - other for one, other in rounds]
    low, high = bootstrap(more)
    print(
        f"z1 --help {statistics.median(one for one, _ in rounds):.3f} s, "
        f"Python {platform.python_version()} {statistics.median(other for _, other in rounds):.3f} "
        f"s: {statistics.median(more):.3f} s more (95 %: {low:.3f} to {high:.3f}; aim: {AIM})"
    )
    for name in STAGES if options.stages else ():
        code = f"import z1.stages.component, z1.stages.{name}; {LOADED}"
        seconds_, printed = run("-c", code)
        print(f"{name:10} {seconds_:6.2f} s  {', '.join(json.loads(printed))}", flush=True)
    if options.json:
        found = {"help over empty Python, of the 0.3 s allowed": statistics.median(more) / AIM}
        options.json.write_text(json.dumps({"ratios": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
