"""How fast are the verifiers, against the plainest way to do the same?

Programs: the sandbox over plain ``subprocess``, which starts Python on the same program with the
same input and compares its output, with as many workers. Mathematics: all replies on a pool of
workers over math-verify in one process. Both as a ratio of throughputs, the two measured in turn,
so that other load on the machine meets both:

    python benchmarks/verify.py --json verify.json
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from z1.verifiers import check_all
from z1.verifiers.sandbox import Settings
from z1.verifiers.sandbox.backends import ISOLATIONS, available

PROGRAMS = {
    "sum": "print(sum(map(int, input().split())))",
    "sort": "import sys\nprint(*sorted(map(int, sys.stdin.read().split())))",
    "count": (
        "from collections import Counter\nprint(Counter(input().split()).most_common(1)[0][1])"
    ),
    "primes": (
        "n = int(input().split()[-1]) * 500\nsieve = bytearray([1]) * (n + 1)\n"
        "for i in range(2, int(n**0.5) + 1):\n    if sieve[i]:\n"
        "        sieve[i * i :: i] = bytes(len(range(i * i, n + 1, i)))\nprint(sum(sieve[2:]))"
    ),
    "heap": (
        "import heapq\nq = []\nfor x in map(int, input().split()):\n    heapq.heappush(q, x)\n"
        "print(*[heapq.heappop(q) for _ in range(len(q))])"
    ),
}
Item = tuple[str, Any, str]


def make_programs(count: int, tests: int) -> list[Item]:
    """Return replies with programs, each with so many tests, whose outputs they made themselves."""
    items: list[Item] = []
    names = list(PROGRAMS)
    for number in range(count):
        program = PROGRAMS[names[number % len(names)]]
        given = [f"{number % 7 + 1} {test + 2} {number % 11 + 3}\n" for test in range(tests)]
        answer = {"kind": "stdin", "tests": [{"input": text, "output": ""} for text in given]}
        items.append(("code", answer, program))
    outputs: dict[tuple[str, str], str] = {}
    for _, answer, program in items:
        for test in answer["tests"]:
            key = program, test["input"]
            if key not in outputs:
                outputs[key] = _run_plainly(*key)
            test["output"] = outputs[key]
    return [(verifier, answer, f"```python\n{text}\n```") for verifier, answer, text in items]


def _run_plainly(program: str, given: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], input=given, capture_output=True, text=True, timeout=30
    ).stdout


def run_plainly(items: list[Item], workers: int) -> None:
    """Run all programs as plain subprocesses and check their output."""

    def one(item: Item) -> bool:
        program = item[2].removeprefix("```python\n").removesuffix("\n```")
        return all(
            _run_plainly(program, test["input"]).split() == test["output"].split()
            for test in item[1]["tests"]
        )

    with ThreadPoolExecutor(workers) as threads:
        assert all(threads.map(one, items))


def make_replies(count: int) -> list[Item]:
    """Return replies to mathematical problems, right ones."""
    forms = [
        ("\\frac{%d}{7}", "So the answer is $\\boxed{\\frac{%d}{7}}$."),
        ("%d\\sqrt{2}", "It is $\\boxed{\\sqrt{2} \\cdot %d}$."),
        ("x^2 + %d", "Hence $f(x) = \\boxed{%d + x^2}$."),
        ("%d", "There are \\boxed{%d} of them."),
        ("(%d, 3]", "The solution is $\\boxed{(%d,3]}$."),
    ]
    made = []
    for number in range(count):
        reference, reply = forms[number % len(forms)]
        made.append(("math", reference % -(number + 9), reply % -(number + 9)))
    return made


def verify_in_one_process(items: list[Item]) -> None:
    """Check all replies by calling math-verify here."""
    from math_verify import parse, verify

    for _, reference, text in items:
        verify(parse(f"${reference}$"), parse(text))


def check(items: list[Item], running: Settings | None = None) -> None:
    """Check all with z1, and see that all are right."""
    assert all(found.verdict == "right" for found in check_all(items, running=running))


def ratio(ours: Callable[[], None], plain: Callable[[], None], rounds: int) -> dict[str, float]:
    """Return the median ratio of throughputs over rounds, and both median times in seconds."""
    times = []
    for _ in range(rounds):
        pair = []
        for act in (ours, plain):
            start = time.perf_counter()
            act()
            pair.append(time.perf_counter() - start)
        times.append(pair)
    return {
        "ratio": statistics.median(plain / ours for ours, plain in times),
        "seconds": statistics.median(ours for ours, _ in times),
        "plain_seconds": statistics.median(plain for _, plain in times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--tests", type=int, default=3, help="tests of each program")
    parser.add_argument("--replies", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the ratios here")
    args = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    ratios = {}
    for tests in dict.fromkeys((1, args.tests)):
        programs = make_programs(args.programs, tests)
        for isolation in ISOLATIONS:
            if problem := available()[isolation]:
                print(f"{isolation}: {problem}")
                continue
            settings = Settings(isolation)
            check(programs[:16], settings)  # starts the workers, which stay
            found = ratio(
                lambda: check(programs, settings),  # noqa: B023
                lambda: run_plainly(programs, workers),  # noqa: B023
                args.rounds,
            )
            ratios[f"{isolation}-over-subprocess-{tests}-tests"] = found["ratio"]
            rates = [args.programs / found[key] for key in ("seconds", "plain_seconds")]
            print(
                f"{isolation}, {tests} tests a program: {rates[0]:.1f} programs/s, "
                f"subprocess {rates[1]:.1f}, ratio {found['ratio']:.2f}"
            )
    replies = make_replies(args.replies)
    check(replies[:64])
    verify_in_one_process(replies[:64])
    found = ratio(lambda: check(replies), lambda: verify_in_one_process(replies), args.rounds)
    ratios["math-over-math-verify"] = found["ratio"]
    rates = [args.replies / found[key] for key in ("seconds", "plain_seconds")]
    print(f"math: {rates[0]:.0f}/s, math-verify {rates[1]:.0f}/s, ratio {found['ratio']:.2f}")
    if args.json:
        args.json.write_text(json.dumps({"ratios": ratios}, indent=1) + "\n")


if __name__ == "__main__":
    main()
