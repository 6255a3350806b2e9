import pytest

from z1.errors import InputError
from z1.verifiers import check


def test_the_unit_tests_are_the_answer(rows, read):
    given = rows("bigcodebench-hard")
    problems, _ = read("bigcodebench-hard", given)
    for row, problem in zip(given, problems, strict=True):
        answer = problem["answer"]
        assert (answer["kind"], answer["code"]) == ("unittest", row["test"].strip())
        assert problem["question"] == row["instruct_prompt"]
        assert problem["id"] == f"bigcodebench-hard/{row['task_id']}"
        # The published program passes them, so the fixture is sound.
        namespace = {"__name__": "task"}
        exec(row["code_prompt"] + row["canonical_solution"] + row["test"], namespace)
        case = namespace["TestCases"]
        for name in ("test_case_1", "test_case_2"):
            getattr(case(name), name)()


def test_a_program_may_leave_out_the_imports_that_the_prompt_gives(rows, read):
    given = rows("bigcodebench-hard")
    for row, problem in zip(given, read("bigcodebench-hard", given)[0], strict=True):
        alone = row["code_prompt"] + row["canonical_solution"]
        bare = alone[alone.index("def ") :]
        wrong = alone[: alone.index("def ")] + "def task_func(*_):\n    return None\n"
        found = [
            check("code", problem["answer"], f"```python\n{text}```")
            for text in (alone, bare, wrong)
        ]
        assert [verdict.verdict for verdict in found] == ["right", "right", "wrong"]
        needed = None if "import json" in row["test"] else True  # tests share their imports
        assert [(verdict.details or {}).get("head") for verdict in found] == [None, needed, None]


def test_a_task_without_tests_is_refused(rows, read):
    with pytest.raises(InputError, match="line 1: instruct_prompt or test is empty"):
        read("bigcodebench-hard", [rows("bigcodebench-hard")[0] | {"test": ""}])
