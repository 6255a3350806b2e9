"""Where the final answer of a reply stands."""

import pytest

from z1.verifiers import check_all
from z1.verifiers.extract import claims, decide, head, sentences, spoken, unmarked


@pytest.mark.parametrize(
    ("text", "kind", "stated"),
    [
        (r"so \boxed{\frac{1}{2}}.", "boxed", r"\frac{1}{2}"),
        (r"\boxed{\boxed{5}}", "boxed", "5"),
        (r"\boxed{1}, \boxed{2} and \boxed{3}", "boxed", "1, 2, 3"),
        (r"\boxed{cut off", "boxed", "cut off"),
        ("<answer> a\nb </answer>", "tag", "a\nb"),
        ("work\n#### 42\n", "hash", "42"),
        ("Final Answer:\n\n42", "phrase", "42"),
        ("the answer is not 5 but 7.", "phrase", "7."),
        ("So 5 is the answer", "phrase", "5"),
        ("the answer is 5, no wait, 6", "phrase", "6"),
    ],
)
def test_a_claim_of_each_kind(text: str, kind: str, stated: str) -> None:
    assert [(claim.kind, claim.text) for claim in claims(text)] == [(kind, stated)]


@pytest.mark.parametrize(
    "text",
    [
        "If the answer is 5, then x is 2.",
        "The answer isn't 5.",
        "So the answer is 5?",
        "This is the answer",
        "It should be 5",
        "The answer to part 1 is 5.",
    ],
)
def test_what_is_denied_supposed_or_asked_is_no_claim(text: str) -> None:
    assert claims(text) == []


def test_the_last_claim_that_can_be_read_counts() -> None:
    text = r"\boxed{3} so \boxed{5}. The answer is positive."
    read = {"3": 3, "5": 5}
    assert decide(text, lambda claim: read.get(claim.text), lambda rest: None) == 5


def test_after_a_claim_is_taken_back_only_what_follows_counts() -> None:
    text = r"\boxed{5}. Wait, that is wrong. It must have been seven"
    assert decide(text, lambda claim: claim.text, lambda rest: rest.split()[-1]) == "seven"


def test_a_check_of_a_claim_does_not_replace_it() -> None:
    text = r"\boxed{5}. Wait, let me check: 5 + 1 = 6. Yes."
    assert decide(text, lambda claim: claim.text, lambda rest: "6") == "5"


def test_thinking_is_not_spoken() -> None:
    assert spoken("<think>\\boxed{1}</think> 2") == "2"
    assert spoken("1 </think> 2") == "2"
    assert spoken("<think> cut off") == ""


def test_emphasis_is_removed_and_arithmetic_kept() -> None:
    assert unmarked("# **Answer:** *5*") == "Answer: 5"
    assert unmarked("2**3**2 and 2*3*4") == "2**3**2 and 2*3*4"
    assert unmarked("#### 42") == "#### 42"


def test_sentences_and_heads() -> None:
    assert sentences("It is 2.5 m. Is it? Yes\nno") == ["It is 2.5 m.", "Is it?", "Yes", "no"]
    assert head("Paris, the capital. More") == "Paris"
    assert head("5, since 2+3=5.") == "5"


@pytest.mark.parametrize(
    "piece", ["a b c. ", "2+3=6\n", "the answer is not 5. ", "x ", "(", "\\boxed{", "{", "wait, "]
)
def test_a_very_long_reply_is_read_within_the_time_limit(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    verdicts = check_all([("math", "5", text), ("choice", "B", text), ("exact", "5", text)])
    assert [verdict.verdict for verdict in verdicts] == ["wrong"] * 3
