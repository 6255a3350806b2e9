"""The code verifier on honest replies, in every kind of sandbox that this machine has."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from click.testing import CliRunner

from z1.cli import main
from z1.errors import InputError
from z1.problems.check import check_file
from z1.recipe import Verify
from z1.records import PROBLEM, TRAJECTORY
from z1.verifiers import Verdict, check, check_all, verify_frame
from z1.verifiers.sandbox import Limits, Sandbox, Settings, backends, keeping
from z1.verifiers.sandbox.confine import landlock_abi

SUM = {"kind": "stdin", "tests": [{"input": "1 2", "output": "3"}, {"input": "4 5", "output": "9"}]}
CALL = {
    "kind": "call",
    "entry_point": "add",
    "tests": [{"args": [1, 2], "expected": 3}, {"args": [[1], [2]], "expected": [1, 2]}],
}
TESTS = """
import unittest
from unittest.mock import patch

class TestCases(unittest.TestCase):
    def setUp(self):
        self.two = 2

    def test_sum(self):
        self.assertEqual(add(1, self.two), 3)

    def test_refuses_text(self):
        with self.assertRaises(TypeError):
            add(1, "2")

    @patch("builtins.print")
    def test_is_quiet(self, printed):
        for a in range(2):
            with self.subTest(a=a):
                add(a, 1)
        printed.assert_not_called()
"""
UNITTEST = {"kind": "unittest", "code": TESTS}
PRINTS = "print(sum(map(int, input().split())))"
ADDS = "def add(a, b):\n    return a + b\n"


@pytest.fixture(params=backends.ISOLATIONS)
def isolation(request: pytest.FixtureRequest) -> str:
    if problem := backends.available()[request.param]:
        pytest.skip(f"{request.param}: {problem}")
    return str(request.param)


@pytest.fixture
def sandbox(isolation: str) -> Iterator[str]:
    """One sandbox for a whole test."""
    with keeping(Settings(isolation, Limits(seconds=5, memory_mb=512))):
        yield isolation


def judge(answer: Any, program: str) -> Verdict:
    return check("code", answer, f"The program:\n```python\n{program}\n```\nIt is right.")


HONEST = {
    "plain": PRINTS,
    "main guard": f"def main():\n    {PRINTS}\nif __name__ == '__main__':\n    main()",
    "buffer": "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
    "descriptor": "import os\nos.write(1, b'%d' % sum(map(int, os.read(0, 100).split())))",
    "open": "print(sum(map(int, open(0).read().split())))",
    "device": "print(sum(map(int, open('/dev/stdin').read().split())))",
    "reopened": "import io, os\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size)).readline\n"
    + PRINTS,
    "exit": PRINTS + "\nexit()",
    "exit code 0": "import sys\n" + PRINTS + "\nsys.exit(0)",
    "atexit": "import atexit\na = input()\n"
    "atexit.register(lambda: print(sum(map(int, a.split()))))",
    "thread": "import threading\nthreading.stack_size(2**26)\n"
    f"threading.Thread(target=lambda: {PRINTS}).start()",
    "asyncio": f"import asyncio\nasync def main():\n    {PRINTS}\nasyncio.run(main())",
    "deep": "import functools\n@functools.lru_cache(None)\ndef f(n):\n"
    "    return 0 if n == 0 else f(n - 1)\nf(20000)\n" + PRINTS,
    "files": "import tempfile, os\nopen('a', 'w').write(input())\nos.mkdir('b')\n"
    "tempfile.NamedTemporaryFile().write(b'x')\nprint(sum(map(int, open('a').read().split())))",
    "fork": f"import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nelse:\n    {PRINTS}\n",
    "shell": "import subprocess\na = input().split()\n"
    "print(subprocess.run(['expr', a[0], '+', a[1]], capture_output=True, text=True).stdout)",
    "numpy": "import numpy\nprint(numpy.array(input().split(), dtype=int).sum())",
    "pickle": "import pickle, dataclasses\n@dataclasses.dataclass\nclass A:\n    x: str\n"
    "print(sum(map(int, pickle.loads(pickle.dumps(A(input()))).x.split())))",
    "left open": "import os\nout = os.fdopen(os.dup(1), 'w')\n"
    "out.write(str(sum(map(int, input().split()))))",
    "own output": "import atexit, io, sys\nsys.stdout = io.StringIO()\n" + PRINTS + "\n"
    "atexit.register(lambda: sys.__stdout__.write(sys.stdout.getvalue()))",
    "last words": "class Last:\n    def __del__(self):\n        print(self.total)\n"
    "last = Last()\nlast.total = sum(map(int, input().split()))",
    "stack": "import resource\n"
    "resource.setrlimit(resource.RLIMIT_STACK, [2**28, resource.RLIM_INFINITY])\n" + PRINTS,
    "python": "import subprocess, sys\na = input().split()\n"
    "print(subprocess.check_output([sys.executable, '-c', f'print({a[0]} + {a[1]})'], text=True))",
    "caught": "try:\n    while True:\n        " + PRINTS + "\nexcept EOFError:\n    pass",
}


def test_honest_scripts_are_right(sandbox: str) -> None:
    verdicts = {name: judge(SUM, program) for name, program in HONEST.items()}
    wrong = {name: found for name, found in verdicts.items() if found.verdict != "right"}
    assert not wrong
    assert verdicts["plain"] == ("right", None)
    assert verdicts["plain"].details == {"sandbox": sandbox}


WRONG = {
    "print(3)": (2, "wrong answer"),
    "print(4)": (1, "wrong answer"),
    "print(int(input()))": (1, "exception"),
    "def solve():\n    " + PRINTS: (1, "wrong answer"),
    "print(sum(map(int, input().split())))\nraise SystemExit(2)": (1, "exception"),
    "x = bytearray(2**40)\nprint(x)": (1, "memory"),
}


def test_a_wrong_script_comes_with_its_first_failing_test_and_the_cause(sandbox: str) -> None:
    for program, (test, cause) in WRONG.items():
        found = judge(SUM, program)
        assert found.verdict == "wrong"
        assert found.details == {"sandbox": sandbox, "test": test, "cause": cause}
        assert (found.reason or "").startswith(f"test {test}: {cause}")


def test_functions_and_methods_are_called(sandbox: str) -> None:
    right = [
        ADDS,
        "class Solution:\n    def add(self, a: List[int], b: Optional[int]) -> int:\n"
        "        return a + b",
        ADDS + "if __name__ == '__main__':\n    print(add(*map(int, input().split())))",
        "import numpy\ndef add(a, b):\n    c = a + b\n"
        "    return c if isinstance(c, list) else numpy.int64(c)",
        "def add(a, b):\n    return tuple(a + b) if isinstance(a, list) else float(a + b)",
        "def add(a, b):\n    print('noise')\n    return a + b",
        "add = lambda a, b: a + b",
    ]
    for program in right:
        assert judge(CALL, program).verdict == "right", program
    wrong = [
        "def add(a, b):\n    return str(a + b)",
        "def add(a, b):\n    print(a + b)",
        "def add(a):\n    return a",
        "def add(a, b):\n    exit()",
        "def add(a, b):\n    yield a + b",
    ]
    for program in wrong:
        assert judge(CALL, program).verdict == "wrong", program


def test_unittest_files_are_run(sandbox: str) -> None:
    assert judge(UNITTEST, ADDS).verdict == "right"
    noisy = judge(UNITTEST, "def add(a, b):\n    print(a)\n    return a + b")
    assert noisy.details is not None
    assert (noisy.verdict, noisy.details["test"]) == ("wrong", "TestCases.test_is_quiet")
    off = judge(UNITTEST, "def add(a, b):\n    return a + b + 1")
    assert off.details is not None
    assert (off.details["test"], off.details["cause"]) == ("TestCases.test_sum", "wrong answer")


def test_a_file_of_tests_may_skip_some_and_a_program_may_not(sandbox: str) -> None:
    assert judge(
        UNITTEST, "import unittest\ndef add(*_):\n    raise unittest.SkipTest"
    ).verdict == ("wrong")
    skips = TESTS.replace(
        "    def test_refuses", "    @unittest.skip('not now')\n    def test_refuses"
    )
    assert judge({"kind": "unittest", "code": skips}, "def add(a, b):\n    return 3").verdict == (
        "right"
    )


def test_tests_are_those_of_unittest_cases_and_of_what_is_derived_from_them(sandbox: str) -> None:
    code = (
        "import unittest\nclass Fake(dict):\n    def test_it(self):\n        return 3\n"
        "class Base(unittest.TestCase):\n    x = 1\n"
        "class T(Base):\n    def test_sum(self):\n"
        "        self.assertEqual(add(self.x, 2), Fake().test_it())\n"
    )
    assert judge({"kind": "unittest", "code": code}, ADDS).verdict == "right"
    found = judge({"kind": "unittest", "code": code}, "def add(a, b):\n    return 0")
    assert (found.details or {})["test"] == "T.test_sum"


def test_an_entry_point_may_name_its_class(sandbox: str) -> None:
    tests = [{"args": [1, 2], "expected": 3}]
    method = "    def add(self, a, b):\n        return a + b\n"
    for entry_point, owner in (("Solution().add", "Solution"), ("Sums.add", "Sums")):
        answer = {"kind": "call", "entry_point": entry_point, "tests": tests}
        assert judge(answer, f"class {owner}:\n{method}").verdict == "right"


@pytest.mark.parametrize(
    "answer",
    [
        "3",
        {"kind": "else"},
        {"kind": "stdin"},
        {"kind": "stdin", "tests": []},
        {"kind": "stdin", "tests": [{"input": "1"}]},
        {"kind": "call", "tests": [{"args": [], "expected": 1}]},
        {"kind": "call", "entry_point": "f", "tests": [{"args": 1, "expected": 1}]},
        {"kind": "unittest"},
        {"kind": "unittest", "code": "x = 1"},
        {"kind": "unittest", "code": "def ("},
    ],
)
def test_a_reference_at_fault_is_an_error(answer: Any) -> None:
    assert judge(answer, PRINTS).verdict == "error"


def test_a_reply_without_a_program_is_wrong() -> None:
    found = check("code", SUM, "The sum of the two numbers.")
    assert found == ("wrong", "the reply holds no such program")
    assert found.details == {"cause": "no program"}


@pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")
def test_landlock_alone_is_enough_to_run_programs() -> None:
    assert backends.available()["landlock"] is None


def test_a_demanded_isolation_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        backends, "_problem", lambda name: "not here" if name == "bubblewrap" else None
    )
    assert backends.choose("auto") == "landlock"
    with pytest.raises(InputError, match=r"bubblewrap.*not here"):
        check_all([("code", SUM, PRINTS)], running=Settings("bubblewrap"))


def test_without_any_isolation_no_program_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_problem", lambda name: "not here")
    with pytest.raises(InputError, match="safely"):
        check_all([("code", SUM, PRINTS)])


def test_packages_are_found_wherever_they_are_installed(isolation, tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"  # of a temporary folder, which the sandbox has its own of
    folder.mkdir()
    (folder / "elsewhere.py").write_text("FOUND = 42")
    folder.chmod(0o755)
    monkeypatch.setattr(backends, "_packages", lambda: [str(folder)])
    with Sandbox(isolation) as sandbox:
        found = sandbox.run_script("import elsewhere; print(elsewhere.FOUND)", "", Limits())
    assert found.output == "42\n", found


def test_many_honest_programs_leave_nothing(isolation: str) -> None:
    def look() -> tuple[set[str], set[Path], int]:
        names = {
            p.info["name"]
            for p in psutil.process_iter(["name", "uids"])
            if p.info["name"] == "bwrap" or p.info["uids"].real in backends._USERS
        }
        folders = set(Path(tempfile.gettempdir()).glob("z1-sandbox-*"))
        workers = [child.memory_info().rss for child in psutil.Process().children()]
        return names, folders, max(workers, default=0)

    count = int(os.environ.get("Z1_HONEST_PROGRAMS", "64"))
    items = [("code", SUM if n % 2 else CALL, PRINTS if n % 2 else ADDS) for n in range(count)]
    running = Settings(isolation)
    check_all(items[:32], running=running)
    before = look()
    assert before[:2] == (set(), set())
    assert {found.verdict for found in check_all(items, running=running)} == {"right"}
    after = look()
    assert after[:2] == (set(), set())
    assert after[2] < before[2] * 1.1  # the workers do not grow


def test_replies_in_a_file_are_verified(tmp_path: Path) -> None:
    replies, output = tmp_path / "replies.jsonl", tmp_path / "verdicts.jsonl"
    rows = [{"verifier": "code", "answer": SUM, "text": text} for text in (PRINTS, "print(1)")]
    replies.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = CliRunner().invoke(main, ["verify", str(replies), "-o", str(output)])
    assert result.exit_code == 0, result.output
    first, second = (json.loads(line) for line in output.read_text().splitlines())
    assert (first["verdict"], first["details"]["sandbox"]) == ("right", backends.choose("auto"))
    assert (second["verdict"], second["details"]["test"]) == ("wrong", 1)


def test_tests_that_cannot_be_run_are_found_in_a_file_of_problems(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    row = {"prompt": "Add two numbers.", "answer": SUM, "verifier": "code"}
    path.write_text(json.dumps(row))
    assert check_file(path) == 1
    path.write_text(json.dumps({**row, "answer": {"kind": "stdin", "tests": []}}))
    with pytest.raises(InputError, match="at least one"):
        check_file(path)


def test_a_table_of_verdicts_keeps_what_a_program_tried() -> None:
    program = "try:\n    open('/etc/shadow')\nexcept OSError:\n    pass\n" + PRINTS
    rows = [("a", "```python\n" + program + "\n```"), ("a", PRINTS)]
    replies = pl.DataFrame(
        [(name, None, n, text, 1, None, "stop") for n, (name, text) in enumerate(rows)],
        TRAJECTORY,
        orient="row",
    )
    problems = pl.DataFrame(
        [("a", "Add.", json.dumps(SUM), "code", None, "test")], PROBLEM, orient="row"
    )
    verified = verify_frame(replies, problems)
    assert verified["verdict"].to_list() == ["right", "right"]
    assert verified["reason"].to_list() == ["blocked: file /etc/shadow", None]


def test_a_recipe_says_how_programs_are_run() -> None:
    section = Verify(isolation="landlock", seconds=2, memory_mb=99)
    settings = Settings.of(section)
    assert settings.isolation == "landlock"
    assert (settings.limits.seconds, settings.limits.memory_mb) == (2, 99)
