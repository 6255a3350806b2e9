"""Problems that reasoning-gym made, scored by the dataset that made them.

The reference is the whole reasoning-gym entry; ``metadata.source_dataset`` names its scorer.
Right means a score of exactly 1: scorers give parts of a point for near misses.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from z1.verifiers.clock import paused
from z1.verifiers.extract import (
    Claim,
    claims,
    decide,
    first_sentence,
    gives_up,
    head,
    spoken,
    unmarked,
)
from z1.verifiers.reference import AnswerError, shown

Score = Callable[[str, dict[str, Any]], float]


def check(answer: Any, text: str) -> str | None:
    """Return why a reply is wrong, or None if the dataset's scorer gives its answer a 1.

    Raises AnswerError if the entry names no dataset that there is, or if its scorer does not
    accept the entry's own answer.
    """
    score, entry = _scorer(answer)
    said = spoken(text)
    if not said.strip():
        return "the reply is empty"
    own = entry.get("answer")
    tagged = any(claim.kind == "tag" for claim in claims(said))
    # Markdown is left alone in tags, and where an answer might look like it
    searched = said if tagged else unmarked(said)
    many = len(own.strip("\n").splitlines()) if isinstance(own, str) else 1

    def read(claim: Claim) -> list[str] | None:
        return _forms(claim, searched, many)

    forms = decide(searched, read, lambda rest: _guess(rest, many, isinstance(own, str)))
    if many > 1 and not tagged:
        forms = [*(forms or []), said]
    if not forms:
        return "the reply gives no answer"
    entries = [entry, {**entry, "metadata": _tuples(entry["metadata"])}]
    for made in entries:
        if any(_accepts(score, form, made) for form in dict.fromkeys(forms)):
            return None
    if isinstance(own, str) and not any(
        _accepts(score, own, made, trusted=True) for made in entries
    ):
        raise AnswerError(f"the scorer does not accept the reference's own answer {shown(own)}")
    return f"the reply answers {shown(forms[0])}, the reference is {shown(own)}"


def _scorer(answer: Any) -> tuple[Score, dict[str, Any]]:
    if not isinstance(answer, dict) or not isinstance(answer.get("metadata"), dict):
        raise AnswerError("the reference must be a reasoning-gym entry with its metadata")
    name = answer["metadata"].get("source_dataset")
    if not isinstance(name, str):
        raise AnswerError("the reference's metadata names no source_dataset")
    return _find(name), answer


@cache
def _find(name: str) -> Score:
    with paused():
        from reasoning_gym import get_score_answer_fn

    try:
        score: Score = get_score_answer_fn(name)
    except ValueError as error:
        raise AnswerError(f"reasoning-gym has no dataset {shown(name)}") from error
    return score


_NONSENSE = "no answer at all"


def _accepts(score: Score, form: str, entry: dict[str, Any], trusted: bool = False) -> bool:
    """Tell whether the scorer gives a 1; one that gives it to nonsense is not believed."""
    try:
        if score(form, entry) != 1.0:
            return False
    except Exception:  # scorers raise all kinds of errors on answers of the wrong form
        return False
    own = entry.get("answer")
    if trusted or not isinstance(own, str):
        return True
    try:
        lenient = score(_NONSENSE, entry) == 1.0
    except Exception:
        lenient = False
    return not lenient or form.strip().casefold() == own.strip().casefold()


def _tuples(value: Any) -> Any:
    """Turn lists into the tuples they were before the entry was JSON, as some scorers need."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return value


def _forms(claim: Claim, text: str, many: int) -> list[str]:
    """Return how a stated answer may be read; one of several lines goes on below its phrase."""
    if claim.kind != "phrase":
        boxes = [inner for inner in claims(claim.text) if inner.kind == "boxed"]
        return _spellings(boxes[-1].text if boxes and claim.kind == "tag" else claim.text)
    if many > 1:
        below = text[claim.start :].strip("\n :*")
        lines = [line for line in below.splitlines() if line.strip()]
        return [*_spellings("\n".join(lines[:many])), *_spellings(below), below]
    return [
        *_spellings(claim.text),
        *_spellings(first_sentence(claim.text)),
        *_spellings(head(claim.text)),
    ]


def _guess(text: str, many: int, known: bool) -> list[str]:
    """Read the end of a text: as many lines as the reference's answer has."""
    lines = text.strip("\n").splitlines()
    if not text.strip() or gives_up(text):
        return []
    if many > 1 or not known:
        return ["\n".join(lines[-many:]), text]
    last = lines[-1].strip()
    forms = _spellings(last)
    if re.fullmatch(r"[\s\d+\-−*/().=]+", last):
        forms += _spellings(last.rpartition("=")[2])
    return forms


def _spellings(text: str) -> list[str]:
    """Return a text as it is, without Markdown or LaTeX around it, and without its full stop."""
    bare = unmarked(text).strip()
    bare = re.sub(r"\\(?:text|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1", bare)
    bare = re.sub(r"^(?:\$+|\\\(|\\\[)\s*|\s*(?:\$+|\\\)|\\\])\.?$", "", bare).strip()
    return [text.strip(), bare, bare.removesuffix("."), bare.replace("−", "-").rstrip(". ")]
