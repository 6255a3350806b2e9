import pytest

from z1.errors import InputError


def test_the_unit_tests_are_the_answer(rows, read):
    given = rows("bigcodebench-hard")
    problems, _ = read("bigcodebench-hard", given)
    for row, problem in zip(given, problems, strict=True):
        assert problem["answer"] == {"kind": "unittest", "code": row["test"].strip()}
        assert problem["question"] == row["instruct_prompt"]
        assert problem["id"] == f"bigcodebench-hard/{row['task_id']}"
        # The published program passes them, so the fixture is sound.
        namespace = {"__name__": "task"}
        exec(row["code_prompt"] + row["canonical_solution"] + row["test"], namespace)
        case = namespace["TestCases"]
        for name in ("test_case_1", "test_case_2"):
            getattr(case(name), name)()


def test_a_task_without_tests_is_refused(rows, read):
    with pytest.raises(InputError, match="line 1: instruct_prompt or test is empty"):
        read("bigcodebench-hard", [rows("bigcodebench-hard")[0] | {"test": ""}])
