"""Answers that must equal the reference, up to case, white space, Markdown and punctuation."""

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

from z1.verifiers.extract import Claim, decide, first_sentence, gives_up, head, spoken, unmarked
from z1.verifiers.reference import AnswerError, shown

_SPELLINGS = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "’": "'", "‘": "'", "“": '"', "”": '"'}
)
_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|tt)?|mathrm|mathbf|mbox|boxed|operatorname)\s*\{([^{}]*)\}"
)
_EDGES = " \t\n\"'`*_.,;:!$"
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[+-]?\d+)?")
_SAYS_NOTHING = {
    "correct", "wrong", "incorrect", "right", "clear", "obvious", "simple", "as follows", "below",
    "above", "confirmed", "verified", "reasonable", "consistent", "valid", "therefore", "this",
}  # fmt: skip


def check(answer: Any, text: str) -> str | None:
    """Return why a reply is wrong, or None if its final answer equals the reference.

    A number as reference is compared as a number, a list item by item in its order.

    Raises AnswerError if the reference is empty or not text, a number or a list.
    """
    reference = _reference(answer)
    said = unmarked(spoken(text))
    if not said.strip():
        return "the reply is empty"
    if equal(reference, said):  # the reply is nothing but the answer, whatever lines it has
        return None

    many = _line_count(reference)

    def read(claim: Claim) -> list[str] | None:
        forms = _forms(claim)
        if many > 1:
            below = [line for line in said[claim.start :].splitlines() if line.strip(" *_:")]
            forms.append("\n".join(below[:many]))
        if any(equal(reference, form) for form in forms):
            return forms
        return None if claim.kind == "phrase" and normal(forms[-1]) in _SAYS_NOTHING else forms

    forms = decide(said, read, lambda rest: _guess(rest, reference))
    if not forms:
        return "the reply gives no answer"
    if any(equal(reference, form) for form in forms):
        return None
    return f"the reply answers {shown(forms[-1])}, the reference is {shown(reference)}"


def normal(text: str) -> str:
    """Return a text in the spelling under which two answers count as equal."""
    text = unicodedata.normalize("NFKC", text.translate(_SPELLINGS))
    while (inner := _WRAPPER.sub(r" \1 ", text)) != text:
        text = inner
    text = re.sub(r"\\[()\[\],;!: ]", " ", text)
    text = " ".join(text.casefold().split()).strip(_EDGES)
    text = re.sub(r"^(?:the|an?) (?=\w)", "", text)
    return text[1:-1].strip(_EDGES) if re.fullmatch(r"\([^()]*\)|\[[^\[\]]*\]", text) else text


def equal(reference: str, given: str) -> bool:
    """Tell whether two answers are equal once normalised, or the same number."""
    first, second = normal(reference), normal(given)
    if first == second:
        return first != ""
    if re.sub(r"\s*([,;:/=+-])\s*", r"\1", first) == re.sub(r"\s*([,;:/=+-])\s*", r"\1", second):
        return True
    numbers = _number(first), _number(re.sub(r"^[$€£]\s?", "", second))
    if None in numbers or re.match(r"[+-]?0\d", first):  # 007 is a name, not the number 7
        return False
    return numbers[0] == numbers[1]


def _number(text: str) -> Decimal | None:
    if not text or not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _reference(answer: Any) -> str:
    if isinstance(answer, bool):
        return str(answer).lower()
    if isinstance(answer, list) and answer:
        return ", ".join(_reference(item) for item in answer)
    if not isinstance(answer, str | int | float) or not normal(str(answer)):
        raise AnswerError(f"the reference must be text, a number or a list, not {shown(answer)}")
    return str(answer)


def _forms(claim: Claim) -> list[str]:
    """Return how an answer may be read: in full, and ever shorter."""
    if claim.kind == "phrase":
        sentence = first_sentence(claim.text)
        return [claim.text, sentence, head(sentence)]
    lines = claim.text.splitlines()
    inner = re.fullmatch(r"\s*\$+(.*?)\$+\s*", claim.text, re.DOTALL)
    return [claim.text, inner[1] if inner else lines[-1] if lines else claim.text]


def _line_count(text: str) -> int:
    return len([line for line in text.splitlines() if line.strip()])


_STATES = re.compile(
    r"(?:\b(?:is|are|was|were|equals|be|says|reads|called|at|on)\b|=|:|→|=>)\s*", re.IGNORECASE
)
_DENIES = re.compile(r"\b(?:not|never|cannot|neither|nor)\b|n['’]t\b", re.IGNORECASE)


_LONGEST_LINE = 1000


def _guess(text: str, reference: str) -> list[str]:
    """Read the last line of a text that does not say what its answer is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or gives_up(text):
        return []
    last = lines[-1][-_LONGEST_LINE:]
    forms = ["\n".join(lines[-_line_count(reference) :]), last]
    sentence = [piece for piece in re.split(r"(?<=[.!?])\s+", last) if piece][-1]
    forms.append(
        re.sub(r"^(?:so|thus|hence|therefore|it['’]s)\b[,:]?\s*", "", sentence, flags=re.I)
    )
    forms.append(head(forms[-1]))
    if _DENIES.search(sentence) or sentence.endswith("?"):
        return forms
    for match in _STATES.finditer(sentence):
        forms += [sentence[match.end() :], head(sentence[match.end() :])]
    return forms
