"""The exact verifier on replies whose verdict a careful reader would not doubt."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from z1.verifiers.exact import check
from z1.verifiers.reference import AnswerError

RIGHT: list[tuple[Any, str]] = [
    ("Paris", "Paris"),
    ("Paris", "paris."),
    ("Paris", "The answer is Paris."),
    ("Paris", "The answer is Paris, the capital of France."),
    ("Paris", "The capital of France is Paris."),
    ("Paris", "**Paris**"),
    ("Paris", r"\boxed{\text{Paris}}"),
    ("Paris", "<answer>Paris</answer>"),
    ("5", "5"),
    (5, "5.0"),
    (5, "The answer is 5"),
    (1234, "1,234"),
    (-3, "−3"),
    ("007", "007"),
    ("hello world", "Hello   World"),
    ("yes", "Yes, because it is even."),
    ("yes", "The answer is yes."),
    ("no", "Answer: No"),
    ("New York", "I thought it was Boston. The answer is New York."),
    ("New York", "The answer is Boston. No, wait, it's New York."),
    ("red", '"red"'),
    ("red", "`red`"),
    ("x", "x"),
    (True, "true"),
    ([1, 2, 3], "[1, 2, 3]"),
    ([1, 2, 3], "1,2,3"),
    (3.5, "3.50"),
    ("42", "Some work here.\n\n42"),
    ("42", "#### 42"),
    ("a b\nc d", "a b\nc d"),
    ("a b\nc d", "Answer:\na b\nc d"),
    ("it's", "it’s"),
    ("The Beatles", "Beatles"),
    ("Paris", "Answer: Paris (France)"),
    ("Paris", "I think that it is Paris"),
    ("blue", "The sky is blue."),
    ("blue", "blue!"),
    ("blue", "BLUE"),
    ("blue", 'The answer is "blue".'),
    ("blue", "<answer> Blue </answer>"),
    ("blue", "Final answer: *blue*"),
    ("blue", "Answer — blue"),
    ("blue", "My answer: blue."),
    ("blue", "I am certain it is blue."),
    ("3", "3.0"),
    ("3.0", "3"),
    ("1/2", "1/2"),
    ("1,000", "1000"),
    ("-7", "-7"),
    ("-7", "−7."),
    ("+7", "7"),
    ("10%", "10%"),
    ("x+1", "x + 1"),
    ("a, b", "a,b"),
    ("[1, 2]", "[1,2]"),
    (12, "There are 12."),
    ("12", "Total = 12"),
    (0, "0"),
    (1000000.0, "1000000"),
    (12, r"\boxed{12}"),
    (12, "$12$"),
    ("John Smith", "John  Smith"),
    ("John Smith", "The author is John Smith."),
    ("don't know", "Don't know"),
    ("true", "True"),
    (False, "false"),
    ("yes", "Yes."),
    ("no", "Yes. No."),
    ("Sunday", "If today is Friday then in two days it is Sunday."),
    ("Sunday", "The day is Sunday because Friday + 2 = Sunday."),
    ("def", "abc\ndef"),
    ("abc", "ANSWER: abc\n\nExplanation: because"),
    ("New York City", "The answer is New York City (NYC)."),
    ("C++", "C++"),
    ("$5", "$5"),
    ("5", "$5"),
    ("O(n log n)", "The answer is O(n log n)."),
    ("(1, 2)", "(1,2)"),
    ("e.g.", "e.g."),
    ("U.S.A.", "The answer is U.S.A."),
    ("Dr. Smith", "The answer is Dr. Smith."),
    ("3.5 kg", "3.5 kg"),
    ("A-B", "A–B"),
    ("cat", "The answer is: cat"),
    ("cat", "Answer:cat"),
    ("cat", "'cat'"),
    ("cat", 'The word is "cat".'),
    ("cat", "a cat"),
    ("cat", "The animal is a cat."),
    ("cat", "dog\ncat"),
    ("cat", "I think the answer is cat because it meows."),
    ("cat", "cat."),
    ("cat", "Cat!"),
    ("cat", "The answer is cat, since cats meow."),
    ("cat", "The answer is dog. Actually, it's cat."),
    ("2024-01-02", "2024-01-02"),
    ("2024-01-02", "The date is 2024-01-02."),
    ("12:30", "It is 12:30."),
    ("a/b", "a/b"),
    ("x=5", "x = 5"),
    ("5", "x = 5"),
    ("hello", "print says: hello"),
]
WRONG: list[tuple[Any, str]] = [
    ("Paris", "The answer is Paris, London"),
    ("Paris", "The answer is Paris or London."),
    ("Paris", "London"),
    ("Paris", "It is not Paris."),
    ("Paris", ""),
    (5, "6"),
    ("5", "15"),
    ("007", "7"),
    ("yes", "No"),
    ("Boston", "The answer is Boston. Wait, that's wrong. The answer is New York."),
    ([1, 2, 3], "3,2,1"),
    ("Paris", "Paris is nice but the answer is Rome."),
    ("Paris", "Final answer: London, not Paris"),
    ("blue", "bluegreen"),
    ("blue", "not blue"),
    ("blue", "The answer is not blue."),
    ("blue", "The answer is red, not blue."),
    ("blue", "blue or red"),
    ("blue", "I don't know"),
    ("3", "three"),
    ("0.5", "1/2"),
    (12, "12 apples"),
    ("John Smith", "Smith"),
    ("yes", "yes, no"),
    ("Saturday", "The day is Sunday because Saturday + 1 = Sunday."),
    ("abc", "abc\ndef"),
    ("C++", "C"),
    ("C#", "C"),
    ("-5", "5"),
    ("O(n log n)", "O(n)"),
    ("cat", "cat, dog"),
    ("cat", "cats"),
    ("cat", "<answer>dog</answer> cat"),
    ("cat", "cat\ndog"),
    ("12:30", "12:31"),
]


@pytest.mark.parametrize(("reference", "reply"), RIGHT)
def test_right(reference: Any, reply: str) -> None:
    assert check(reference, reply) is None


@pytest.mark.parametrize(("reference", "reply"), WRONG)
def test_wrong(reference: Any, reply: str) -> None:
    assert check(reference, reply)


@pytest.mark.parametrize("reference", [None, "", " . ", [], {"value": 5}])
def test_a_reference_that_is_no_answer_is_refused(reference: Any) -> None:
    with pytest.raises(AnswerError, match="reference"):
        check(reference, "5")


WORDS = st.from_regex(r"[b-z]{3,8}( [b-z]{3,8}){0,2}", fullmatch=True)


@given(WORDS, st.sampled_from(["{}", "The answer is {}.", "**{}**", "<answer>{}</answer>"]))
def test_words_are_right_in_every_style_and_others_wrong(words: str, style: str) -> None:
    assert check(words, style.format(words.upper())) is None
    assert check(f"{words} qqqqqqqqq", style.format(words))
