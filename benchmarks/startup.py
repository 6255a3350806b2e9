"""What does it cost to start? ``z1 --help``, ``z1 plan`` and each component, over an empty Python.

    python benchmarks/startup.py --json startup.json

Processor seconds, which other load on the machine leaves nearly alone, of a Python that does it
less those of ``python -c pass``, the two measured in turn. A component is its stage's modules as
they are imported before its work begins; beside it stand the heavy libraries that come with them.
The ratio is that of ``z1 --help`` over the 0.3 s that it is allowed; less is better.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from z1.stages.given import STAGES

ROOT = Path(__file__).parent.parent
ALLOWED = 0.3
RATIO = "help-over-allowed"
HEAVY = (
    *("torch", "transformers", "trl", "vllm", "kfp", "kubernetes", "datasets", "matplotlib"),
    *("boto3", "dvc", "openai", "reasoning_gym", "math_verify", "sympy", "polars"),
)
COMMANDS = ("--help", "plan demo")
LOADED = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules), sep=', ')"


def run(*arguments: str) -> tuple[float, str]:
    """Return the processor seconds of a Python in the repository, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def measure(what: list[str], rounds: int) -> tuple[list[float], list[float], str]:
    """Return the seconds, those over an empty Python, and what is printed in the end.

    The two take turns in who goes first, and a first start compiles what is new.
    """
    _, printed = run(*what)
    seconds, more = [], []
    for number in range(rounds):
        order = (what, ["-c", "pass"]) if number % 2 else (["-c", "pass"], what)
        spent = [run(*arguments)[0] for arguments in order]
        ours, empty = spent if number % 2 else reversed(spent)
        seconds.append(ours)
        more.append(ours - empty)
    return seconds, more, printed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write the ratio to")
    parser.add_argument("--rounds", type=int, default=15, help="of z1 --help; others 3 [15]")
    parser.add_argument(
        "--stages", nargs="*", choices=list(STAGES), default=list(STAGES), help="[all]"
    )
    options = parser.parse_args()
    starts = {f"z1 {command}": ["-m", "z1.cli", *command.split()] for command in COMMANDS}
    for stage in options.stages:
        starts[stage] = ["-c", f"import z1.stages.component, z1.stages.{stage}; {LOADED}"]
    print(f"Python {platform.python_version()}\n")
    print("| start | CPU s | over an empty Python | spread | loads |\n|---|--:|--:|--:|---|")
    ratio = 0.0
    for name, what in starts.items():
        rounds = options.rounds if name == "z1 --help" else min(options.rounds, 3)
        seconds, more, printed = measure(what, rounds)
        median = statistics.median(more)
        print(
            f"| {name} | {statistics.median(seconds):.2f} | {median:.2f} | "
            f"{min(more):.2f}-{max(more):.2f} | "
            f"{printed.strip() if name in options.stages else ''} |",
            flush=True,
        )
        if name == "z1 --help":
            ratio = median / ALLOWED
    print(f"\n{RATIO}: {ratio:.2f}")
    if options.json:
        written = json.dumps({"ratios": {RATIO: ratio}}, indent=2) + "\n"
        options.json.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
