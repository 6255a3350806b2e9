"""The choice verifier on replies whose verdict a careful reader would not doubt."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.verifiers.choice import check
from z1.verifiers.reference import AnswerError

RIGHT: list[tuple[Any, str]] = [
    ("B", "The answer is B."),
    ("B", "The answer is (B)."),
    ("(B)", "The answer is b"),
    ("B", "**Answer:** (B)"),
    ("B", "**Answer: B**"),
    ("B", "Option b"),
    ("B", "option B is correct"),
    ("B", r"\boxed{B}"),
    ("B", r"\boxed{\text{B}}"),
    ("B", r"$\boxed{\textbf{(B)}\ 12}$"),
    ("B", "B"),
    ("B", "b)"),
    ("B", "(B)"),
    ("B", "B. Paris"),
    ("B", "B) Paris"),
    ("B", "**B**"),
    ("B", "B."),
    ("A", "(A) and not (B)"),
    ("A", "The answer is A, not B."),
    ("B", "The answer is not A but B."),
    ("C", "I choose C."),
    ("C", "I'll go with C"),
    ("D", "The correct option is D"),
    ("D", "Correct choice: D"),
    ("C", "A is wrong because Lyon is not the capital. B is wrong too. So it must be C."),
    ("C", "(A) is incorrect, (B) is incorrect, and (C) is correct."),
    ("B) Paris", "The answer is Paris."),
    ("B) Paris", "The answer is B"),
    ("B) Paris", "Paris"),
    ("(B) 12", r"\boxed{12}"),
    ("(B) 12", r"\boxed{(B)}"),
    ("B", "<answer>B</answer>"),
    ("B", "<answer>(b) Paris</answer>"),
    ("B", "#### B"),
    ("B", "The answer is A. Wait, that's wrong. The answer is B."),
    ("B", "The answer is A. Actually, it's B."),
    ("B", "<think>A? the answer is A</think>B"),
    ("B", "A) Lyon\nB) Paris\nC) Nice\n\nThe capital of France is Paris, so the answer is B."),
    ("B", "A good guess would be option B."),
    ("C", "The answer is C because A and B are too small."),
    ("C", "Answer: C\n\nExplanation: Option A is false. Option B is false."),
    ("C", "C is the correct answer. A is not."),
    ("C", "Therefore, (C)."),
    ("C", "Final answer: C) 15"),
    ("AC", "The answer is A and C."),
    (["A", "C"], "A, C"),
    (["A", "C"], r"\boxed{AC}"),
    ("D", "The answer is D) None of the above."),
    ("I", "I"),
    ("A", "The answer is a."),
    ("B", "Answer: b"),
    ("B", "The correct answer is option (b)."),
    ("B", "The best answer is: B"),
    ("B", "Answer is B, I am sure."),
    ("E", "**E**"),
    ("B", "The answer is $B$."),
    ("B", r"The answer is \(\text{B}\)."),
    ("D", "I would say that the answer isn't A; the answer is D."),
    ("B", "So B it is."),
    ("B", "My choice is B."),
    ("B", "It's B."),
    ("B", "Paris is the capital of France, so B."),
    ("C", "**C**"),
    ("C", "**C.** Paris"),
    ("C", "**(C)** 12"),
    ("C", "C: Paris"),
    ("C", "C - Paris"),
    ("C", "Answer: **C. Paris**"),
    ("C", "The correct answer is **C**."),
    ("C", "The correct answer is C: Paris."),
    ("C", "Correct answer: C"),
    ("C", "Ans: C"),
    ("C", "answer is c"),
    ("C", "I'd pick C."),
    ("C", "I would choose option C."),
    ("C", "Let's go with C."),
    ("C", "My final answer is (C)"),
    ("C", "Thus C is correct."),
    ("C", "Hence, option (C)."),
    ("C", "It must be C, since A is too small."),
    ("C", r"$\boxed{\text{C}}$"),
    ("C", r"\boxed{(C)}"),
    ("C", r"\boxed{C. Paris}"),
    ("C", r"\boxed{\text{(C) } 12}"),
    ("C", r"\boxed{\textbf{C}}"),
    ("B", "Neither A nor C, so B."),
    ("D", "Eliminate A, B and C. The answer is D."),
    ("B", "At first I thought A, but the answer is B."),
    ("B", "I was leaning towards A. However, B is correct."),
    ("B", "The answer is A.\n\nOn second thought, the answer is B."),
    ("B", "A... no wait, B."),
    ("B", "Answer: A\n\nCorrection: Answer: B"),
    ("A", "Option A is the only one consistent with the data."),
    ("A", "A"),
    ("A", "a"),
    ("A", "(a)"),
    ("A", "A)"),
    ("A", "Answer: A) True"),
    ("A", "The answer is A because a dog is an animal."),
    ("B", "A dog is an animal. The answer is B."),
    ("B) 4", "4"),
    ("B) 4", "The answer is 4."),
    ("B) 4", "B) 4"),
    ("B) 4", r"\boxed{4}"),
    ("B) blue whale", "blue whale"),
    ("B) blue whale", "The answer is the blue whale."),
    ("D", "All of the above, so D."),
    ("D", "The answer is (D), not (A) as one might think."),
    ("D", "(D)"),
    ("D", "Option D"),
    ("D", "D is right. A, B, and C are wrong."),
    ("D", "A, B, and C are wrong, so D is right."),
    ("A, C", "The answer is A and C"),
    ("A, C", "C, A"),
    ("[B]", "B"),
    ("b", "B"),
    ("B", "The answer is [B]."),
    ("B", "B，because"),
    ("B", "The answer is: \n\nB"),
    ("B", "## Answer\n\n**B**"),
    ("B", "Thus, the answer is\n$$\\boxed{B}$$"),
    ("A", "Answer: A. The sky is blue"),
    ("A", "I think it's A"),
    ("A", "The answer is\n(A)"),
    ("A", "The answer: (a) because..."),
    ("A", "Choice A."),
    ("A", "choice (A)"),
    ("A", "A is correct"),
    ("A", "A is the answer"),
    ("A", "(A) 5"),
    ("A", "A. 5\n"),
    ("B", "A or B? B."),
    ("B", "Both A and C are false. B."),
    ("B", "Between A and B, I choose B."),
    ("B", "Between A and B, B is better."),
    ("B", "The correct choice is B since A fails."),
    ("B", r"\text{B}"),
    ("B", "$B$"),
    ("B", "Selected: B"),
    ("B", "The answer would be B."),
    ("B", "Therefore the correct answer is option B) Paris."),
    ("B", "B\n\nExplanation: A is wrong because it is too small, C is too large."),
    ("B", "(B)\nBecause A is too small."),
    ("B", "Explanation: A is wrong.\n\nB"),
    ("B", "The answer is B, and I'm sure that A, C, D are wrong."),
    ("B", 'The answer is "B".'),
    ("B", "Answer - B"),
    ("B", "Final Answer: Option B"),
    ("B", "So the answer is b) 5."),
    ("B", "Answer B"),
    ("B", "I am going with b."),
    ("C", "A. The answer is C."),
]
WRONG: list[tuple[Any, str]] = [
    ("B", "The answer is C."),
    ("B", "C"),
    ("B", ""),
    ("B", "(A) and not (B)"),
    ("B", "The answer is A, not B."),
    ("A", "The answer is not A but B."),
    ("A", "The answer is A or B."),
    ("A", "A or B"),
    ("B", "It could be A or B."),
    ("A", "(A) is incorrect, (B) is incorrect, and (C) is correct."),
    ("B) Paris", "The answer is Lyon."),
    ("B. Paris", r"\boxed{C}"),
    ("A", "The answer is A. Wait, that's wrong. The answer is B."),
    ("A", "The answer is A. Wait, that's wrong."),
    ("C", "A) Lyon\nB) Paris\nC) Nice"),
    ("A", "A good guess would be option B."),
    ("A", "The answer is C because A and B are too small."),
    (["A", "C"], "A"),
    ("A", "The answer is A and C"),
    ("B", "I don't know."),
    ("A", "I would say that the answer isn't A; the answer is D."),
    ("C", "The answer is not C."),
    ("C", "It is not C."),
    ("C", "C is wrong."),
    ("C", "Not C."),
    ("C", "I can rule out C."),
    ("C", "It can't be C."),
    ("C", "The answer is either B or C."),
    ("C", "B and C"),
    ("C", "C or D"),
    ("C", "Neither A nor C, so B."),
    ("A", "I was leaning towards A. However, B is correct."),
    ("A", "A dog is an animal. The answer is B."),
    ("A", "A dog is an animal."),
    ("B) 4", "The answer is 5."),
    ("B) 4", "A) 4"),
    ("B) blue whale", "The blue whale is the largest."),
    ("A", "The answer is (D), not (A) as one might think."),
    ("AC", "A,C,D"),
    ("B", "ABCD"),
    ("B", "A B C D"),
]


@pytest.mark.parametrize(("reference", "reply"), RIGHT)
def test_right(reference: Any, reply: str) -> None:
    assert check(reference, reply) is None


@pytest.mark.parametrize(("reference", "reply"), WRONG)
def test_wrong(reference: Any, reply: str) -> None:
    assert check(reference, reply)


@pytest.mark.parametrize("reference", [None, "", "Paris", 1.5, [], {"letter": "A"}])
def test_a_reference_without_a_letter_is_refused(reference: Any) -> None:
    with pytest.raises(AnswerError, match="letter"):
        check(reference, "A")


STYLES = [
    "{}", "({})", "**{}**", "The answer is {}.", "Answer: ({})", "\\boxed{{{}}}", "Option {}",
    "A and B look alike, but I choose {}.", "#### {}", "<answer>{}</answer>",
]  # fmt: skip


@given(st.sampled_from("ABCDEFGH"), st.sampled_from("ABCDEFGH"), st.sampled_from(STYLES))
def test_the_letter_decides_in_every_style(reference: str, given_: str, style: str) -> None:
    assert (check(reference, style.format(given_)) is None) == (reference == given_)


@given(st.text(max_size=80))
def test_any_reply_gets_a_verdict(reply: str) -> None:
    assert check("B", reply) != ""


@pytest.mark.parametrize(
    "reply",
    [
        "答案选C。",
        "故选C",
        "Only option C satisfies both conditions.",
        "A, B and D are all incorrect, so C.",
        "A: no. B: no. D: no. That leaves C.",
        "Eliminating A, B, and D leaves C.",
        "It can't be A, B or D. So C.",
        "The correct option is not A, B, or D; it is C.",
        r"<answer>\boxed{C}</answer>",
        "_C_",
        "C) All of the above\n\nExplanation: A, B and D are all true.",
    ],
)
def test_a_choice_among_rejected_options_or_in_another_language_is_found(reply: str) -> None:
    assert check("C", reply) is None
    assert check("A", reply)


@pytest.mark.parametrize(
    "reply",
    [
        "Let us look at option C",
        "Which option is right? Is it C?",
        "不选C,选D。",
        "Not A or C. So D.",
    ],
)
def test_an_option_that_is_only_looked_at_or_rejected_is_not_chosen(reply: str) -> None:
    assert check("C", reply)
