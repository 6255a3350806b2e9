import pytest

from z1.errors import InputError


def test_the_letter_is_that_of_the_right_choice(rows, read):
    given = rows("gpqa-diamond")
    problems, _ = read("gpqa-diamond", given)
    for row, problem in zip(given, problems, strict=True):
        choices = problem["question"].splitlines()[-4:]
        assert f"{problem['answer']}) {row['Correct Answer']}" in choices
        wrong = {row[f"Incorrect Answer {number}"] for number in (1, 2, 3)}
        assert {choice[3:] for choice in choices} == {row["Correct Answer"], *wrong}
        assert problem["verifier"] == "choice"
    assert [p["difficulty"] for p in problems] == [
        "1 easy undergraduate", "2 hard undergraduate", "3 hard graduate"
    ]  # fmt: skip


def test_the_seed_and_the_question_alone_decide_the_order(rows, read):
    row = rows("gpqa-diamond")[0]
    many = [row | {"Question": f"Question {i}?", "Record ID": str(i)} for i in range(60)]
    problems, _ = read("gpqa-diamond", many)
    letters = [problem["answer"] for problem in problems]
    assert {letter: letters.count(letter) > 5 for letter in "ABCD"} == dict.fromkeys("ABCD", True)
    alone, _ = read("gpqa-diamond", many[::-1][:7])
    assert [problem["answer"] for problem in alone] == letters[::-1][:7]
    other, _ = read("gpqa-diamond", many, seed=1)
    assert [problem["answer"] for problem in other] != letters


def test_a_row_without_a_choice_is_refused(rows, read):
    row = rows("gpqa-diamond")[0] | {"Incorrect Answer 2": " "}
    with pytest.raises(InputError, match="line 1: Incorrect Answer 2 is empty"):
        read("gpqa-diamond", [row])
