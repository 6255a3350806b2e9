"""Which program a reply settles on."""

import time

import pytest

from z1.verifiers.programs import Wanted, find_program, free_names

SCRIPT = "n = int(input())\nprint(n * 2)\n"
CALL = Wanted(frozenset(["double"]), "Solution")
FUNCTION = "def double(n):\n    return n * 2\n"


def fenced(source: str, language: str = "python") -> str:
    return f"```{language}\n{source}```\n"


@pytest.mark.parametrize(
    "language", ["python", "py", "Python", "python3.11", "", 'python title="a"', "{.python}"]
)
def test_a_fenced_script_is_found(language: str) -> None:
    reply = f"First I think.\n\n{fenced(SCRIPT, language)}\nIt reads a number and doubles it."
    assert find_program(reply, Wanted()) == SCRIPT


@pytest.mark.parametrize(
    "reply",
    [
        fenced("print(1)\n") + "That was wrong. Better:\n" + fenced(SCRIPT),
        fenced(SCRIPT) + "For the input\n" + fenced("5\n", "") + "it prints\n" + fenced("10\n", ""),
        fenced(SCRIPT) + "Run it:\n" + fenced("python main.py < input.txt\n", "bash"),
        fenced(SCRIPT) + "In C++:\n" + fenced("int main() { return 0; }\n", "cpp"),
        fenced(SCRIPT) + "This does not even parse:\n" + fenced("n = = 5\n"),
        fenced(SCRIPT) + "A test:\n" + fenced("def test_it():\n    assert 2 * 1 == 2\n"),
        "<think>" + fenced("print(0)\n") + "</think>" + fenced(SCRIPT),
        "~~~python\n" + SCRIPT + "~~~\n",
        "1. Read it\n   ```python\n   n = int(input())\n   print(n * 2)\n   ```\n2. Done",
        "```python\n" + SCRIPT,  # cut off
        "\ufeff" + fenced(SCRIPT),
        "Here it is: ```python\n" + SCRIPT + "```\n",
        "```python\nprint(0)\nfor n in ra\n\nTime is up. The answer:\n" + fenced(SCRIPT),
        "```python\nprint(0)\n\nThat is wrong, so here again:\n" + fenced(SCRIPT),
        "```markdown\n# The program\n" + fenced(SCRIPT) + "It doubles a number.\n```\n",
        fenced(SCRIPT) + "The last line again:\n" + fenced("print(n * 2\n"),
        fenced(SCRIPT) + "A trial:\n" + fenced(f"import sys\nsys.stdin = StringIO('4')\n{SCRIPT}"),
        fenced("n = int(input())\n") + "or in one piece\n" + fenced(SCRIPT),
    ],
)
def test_the_last_script_that_fits_is_chosen(reply: str) -> None:
    assert find_program(reply, Wanted()) == SCRIPT


@pytest.mark.parametrize(
    "reply",
    [
        fenced(FUNCTION) + "Usage:\n" + fenced("print(double(4))\n"),
        fenced(FUNCTION) + "Tests:\n" + fenced("assert double(4) == 8\nprint('ok')\n"),
        fenced("def double(n):\n    return n\n") + "Oops.\n" + fenced(FUNCTION),
        fenced(FUNCTION) + "It gives\n" + fenced("8\n", ""),
        fenced(FUNCTION) + "As a method:\n" + fenced("def double(self, n):\n    ...\n"),
        fenced(FUNCTION) + "It begins with\n" + fenced("def double(n):\n"),
    ],
)
def test_the_last_block_that_defines_the_function_is_chosen(reply: str) -> None:
    assert find_program(reply, CALL) == FUNCTION


def test_a_method_of_the_class_solution_counts() -> None:
    source = "class Solution:\n    def double(self, n: int) -> int:\n        return n * 2\n"
    assert find_program(fenced(source) + fenced("print(Solution().double(2))\n"), CALL) == source


def test_a_method_of_the_class_that_is_asked_for_counts() -> None:
    source = "class Sums(Base):\n    def double(self, n):\n        return n * 2\n"
    assert find_program(fenced(source), CALL) is None
    assert find_program(fenced(source), CALL._replace(owner="Sums")) == source
    inherited = source.replace("(Base)", "") + "class Solution(Sums):\n    pass\n"
    assert find_program(fenced(inherited), CALL) == inherited


def test_a_function_may_be_defined_under_a_condition() -> None:
    source = f"import sys\nif sys.version_info > (3,):\n    {FUNCTION.replace('    ', '        ')}"
    assert find_program(fenced(source), CALL) == source


def test_a_program_in_parts_is_put_together() -> None:
    found = find_program(
        fenced("def twice(n):\n    return n * 2\n")
        + "and with it\n"
        + fenced("def double(n):\n    return twice(n)\n"),
        CALL,
    )
    assert found is not None
    assert "def twice" in found
    assert "def double" in found
    first = "def double(n):\n    return twice(n)\n"
    after = find_program(
        fenced(first) + "Here\n" + fenced("def twice(n):\n    return n + n\n"), CALL
    )
    assert "def twice" in (after or "")
    steps = fenced("n = int(input())\n") + "then\n" + fenced("print(n * 2)\n")
    assert (find_program(steps, Wanted()) or "").split() == SCRIPT.split()
    script = find_program(
        fenced("def solve():\n    print(int(input()) * 2)\n") + "then\n" + fenced("solve()\n"),
        Wanted(),
    )
    assert script is not None
    assert script.index("def solve") < script.index("\nsolve()")


def test_all_names_that_tests_need_are_put_together() -> None:
    wanted = Wanted(frozenset(["double", "triple"]))
    triple = "def triple(n):\n    return n * 3\n"
    for first, second in ((FUNCTION, triple), (triple, FUNCTION)):
        found = find_program(fenced(first) + "and\n" + fenced(second), wanted) or ""
        assert "def double" in found
        assert "def triple" in found
    better = "def double(n):\n    return n + n\n"
    found = find_program(fenced(FUNCTION + triple) + "Better:\n" + fenced(better), wanted) or ""
    assert found.index("n * 2") < found.index("n * 3") < found.index("n + n")


def test_a_program_with_a_long_table_is_found_whole() -> None:
    source = f"table = {list(range(20_000))}\nprint(table[int(input())])\n"
    assert find_program(fenced(source), Wanted()) == source


def test_a_reply_of_nothing_but_fences_is_read_quickly() -> None:
    start = time.process_time()
    assert find_program("```\n" * 5_000, Wanted()) is None
    assert find_program("if x:\n" * 5_000, Wanted()) is None
    assert time.process_time() - start < 3


def test_a_fence_in_a_string_does_not_end_the_program() -> None:
    source = 'def double(n):\n    """Like\n```\n2\n```\n    """\n    return n * 2\n'
    assert find_program(fenced(source), CALL) == source


@pytest.mark.parametrize(
    "reply",
    [
        SCRIPT,
        f"Here is my program:\n\n{SCRIPT}",
        f"Here is my program:\n\n{SCRIPT}\n\nIt doubles the number.",
        f"Here it is:\n[PYTHON]\n{SCRIPT}[/PYTHON]\nIt doubles the number.",
        f"The program:\n{SCRIPT}Time: O(1)\n- memory\n",
        f"<pre>\n{SCRIPT}</pre>\n",
        f"For\n```\n4\n```\nit prints 8:\n\n{SCRIPT}\nThat is all.",
        f"```python\n{SCRIPT}```It doubles the number.".replace(")\n```", ")```\n"),
        f"```python\n{SCRIPT}\nThis program doubles the number.",
    ],
)
def test_a_program_without_fences_is_found(reply: str) -> None:
    assert (find_program(reply, Wanted()) or "").strip() == SCRIPT.strip()


@pytest.mark.parametrize(
    "reply", ["", "I do not know.", "42", fenced("int main() {}\n", "cpp"), fenced("5\n", "")]
)
def test_a_reply_without_a_program_holds_none(reply: str) -> None:
    assert find_program(reply, Wanted()) is None


def test_a_last_program_that_is_broken_is_not_replaced_by_a_draft() -> None:
    broken = "n = int(input()\nprint(n * 2)\n"
    assert find_program(fenced(SCRIPT) + "Better:\n" + fenced(broken), Wanted()) is None
    assert find_program(fenced(broken) + "Better:\n" + fenced(SCRIPT), Wanted()) == SCRIPT
    halved = FUNCTION.replace("(n)", "(n")
    assert find_program(fenced(FUNCTION) + "Better:\n" + fenced(halved), CALL) is None


def test_a_program_without_the_function_is_none() -> None:
    assert find_program(fenced("def triple(n):\n    return n * 3\n"), CALL) is None


def test_the_names_that_tests_need_are_those_they_do_not_define() -> None:
    code = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        x = f(1)\n"
    assert free_names(code) == {"f"}
