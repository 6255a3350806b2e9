import pytest

from z1.evaluation.answers import final_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("61", "61"),
        ("23+45=68\n68-7=61\n61", "61"),
        (r"We get \boxed{61}, as wanted.", "61"),
        ("The answer is **61**.", "61"),
        ("<think>is it 7?</think>\n61", "61"),
        ("", None),
        ("<think>cut off here", None),
    ],
)
def test_final_answer(text, answer):
    assert final_answer(text) == answer
