"""Multiple choice: the letter a reply settles on, or the text of that option.

The reference is a letter (``B``, ``(B)``), several letters (``["A", "C"]``), or a letter with its
option's text (``B) Paris``), which a reply may then give instead.
"""

import re
from typing import Any

from z1.verifiers import exact
from z1.verifiers.extract import (
    Claim,
    decide,
    first_sentence,
    gives_up,
    head,
    sentences,
    spoken,
    unmarked,
)
from z1.verifiers.reference import AnswerError, shown

_REFERENCE = re.compile(
    r"(?:option |choice |answer:? )?[(\[]?(?P<label>[A-Za-z]|\d{1,2})(?:[)\].:]+|$)\s*(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)


def check(answer: Any, text: str) -> str | None:
    """Return why a reply is wrong, or None if it settles on the reference's letters.

    Raises AnswerError if the reference names no letter.
    """
    wanted, option = _reference(answer)
    said = _plain(unmarked(spoken(text)))
    if not said.strip():
        return "the reply is empty"

    def read(claim: Claim) -> frozenset[str] | None:
        if claim.kind == "tag" and "\\boxed" in claim.text:
            return None  # the box is a claim of its own
        if option and any(exact.equal(option, form) for form in _texts(claim.text)):
            return wanted
        chosen = _chosen(claim.text)
        if chosen is None and claim.kind != "phrase":
            return frozenset([exact.normal(claim.text)])
        return chosen

    def guess(rest: str) -> frozenset[str] | None:
        return _guess(rest, wanted, option)

    given = decide(_as_claims(said), read, guess)
    if given is None:
        return "the reply chooses no option"
    if given == wanted:
        return None
    return f"the reply chooses {shown(_list(given))}, the reference is {shown(_list(wanted))}"


def _list(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels))


def _reference(answer: Any) -> tuple[frozenset[str], str]:
    if isinstance(answer, list) and answer:
        return frozenset().union(*(_reference(item)[0] for item in answer)), ""
    if isinstance(answer, int) and not isinstance(answer, bool):
        return frozenset([str(answer)]), ""
    if isinstance(answer, str):
        source = _plain(answer).strip()
        if match := _REFERENCE.fullmatch(source):
            return frozenset([match["label"].upper()]), match["text"].strip()
        several = re.fullmatch(r"[(\[]?([A-Z](?:(?:\s*(?:,|and|&)\s*|\s+)?[A-Z])+)[)\]]?", source)
        if several:
            return frozenset(re.findall(r"[A-Z]", several[1])), ""
    raise AnswerError(f"the reference must be the letter of an option, not {shown(answer)}")


def _plain(text: str) -> str:
    """Take the words out of LaTeX: ``$\\textbf{(B)}$`` is ``(B)``."""
    previous = ""
    while previous != text:
        # the box stays: it is a claim
        previous, text = (
            text,
            re.sub(r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|mbox)\s*\{([^{}]*)\}", r"\1", text),
        )
    text = re.sub(r"\\left|\\right|\\[ ,;!]|\\q?quad\b", " ", text)
    return re.sub(r"\\\(|\\\)|\\\[|\\\]|\$", " ", text)


_LETTER = (
    r"(?:(?:option|choice|answer|letter)\s+)?"
    r"(?:[(\[]\s*(?P<bracketed>[A-Za-z]|\d{1,2})\s*[)\]]|(?P<bare>[A-Z](?![A-Za-z0-9_'’])|\d{1,2}(?![\w.]*\w)"
    r"|[a-z](?=\s*(?:[).:,;!]|$|\n|\s(?:because|since|as|and|or)\b))))"
)
_FIRST = re.compile(
    rf"\s*(?:(?:clearly|therefore|definitely|probably|likely|most likely|thus|indeed|simply|just|"
    rf"both|either|only|given by|the|options?|choices?|letters?|answers?|is|:|=|[-–—>\"'`])\s*)*"
    rf"{_LETTER}",
    re.IGNORECASE,
)
_MORE = re.compile(
    rf"\s*[).:\"'`]*\s*(?:,\s*(?:and|or)?|\band\b|\bor\b|&|/|\+)\s*(?:both\s+|also\s+)?(?P<not>not\b\s*)?"
    rf"(?:the\s+)?{_LETTER}(?=\s*(?:[).,;:!?\]]|$|\n|\s(?:and|or|because|since|as|are|is|both)\b|/|&))"
)


def _chosen(text: str) -> frozenset[str] | None:
    """Return the letters that a statement starts with, or None if it starts with none.

    ``(A) and not (B)`` chooses A; ``A or B`` chooses both, which is no single choice.
    """
    text = text.lstrip("*_ \t")
    if run := re.fullmatch(r"\s*[(\[]?([A-Z]{2,6})[)\]]?[.\s]*", text):
        return frozenset(run[1])
    match = _FIRST.match(text)
    if not match:
        return None
    label = match["bracketed"] or match["bare"]
    if label == "a" and not match["bracketed"] and re.match(r"\s+\w", text[match.end() :]):
        return None  # "a good idea"
    chosen = {label.upper()}
    position = match.end()
    while more := _MORE.match(text, position):
        if more["not"]:
            break
        chosen.add((more["bracketed"] or more["bare"]).upper())
        position = more.end()
    return frozenset(chosen)


def _texts(text: str) -> list[str]:
    sentence = first_sentence(text)
    return [text, sentence, head(sentence)]


_CHOOSES = re.compile(
    r"\b(?:(?:correct|right|best|final|true)\s+(?:option|choice|statement|letter|one)\s+(?:is|:|=)"
    r"|(?:option|choice)\s*:"
    r"|(?:I|we)(?:['’]ll| will| would|['’]d)?\s+"
    r"(?:choose|pick|select|go with|chose|picked|selected|went with)"
    r"|(?:choose|pick|select|go with|going with|settle on|must be|has to be|should be)"
    r"|(?:leaves|left)(?:\s+(?:us|only|just|with))*)"
    r"\s+(?=(?:option |choice |answer |letter )*[(\[]?[A-Za-z0-9]{1,2}\b)"
    r"|(?:故|应|應|答案)?(?:选择|選擇|选|選)(?:项)?\s*[::]?\s*(?=[(\[(]?[A-Z](?![A-Za-z]))",
    re.IGNORECASE,
)
_ONLY = re.compile(
    r"\bonly\s+(?:option |choice |answer |statement )?[(\[]?(?P<label>[A-Z])[)\]]?\s+"
    r"(?=[a-z]+s\b|can\b|could\b|would\b|is\b|has\b|fits?\b)(?!(?:is|was)\s+(?:wrong|false|incorrect))"
)
_LOOKED_AT = re.compile(
    r"(?:now,?\s+|next,?\s+|first,?\s+)?(?:let us|let['’]s|let me|consider|look|examine|check)\b",
    re.IGNORECASE,
)
_IS_CORRECT = re.compile(
    r"(?:\b(?:option|choice|answer|statement)\s+)?"
    r"(?:[(\[](?P<one>[A-Za-z])[)\]]|\b(?P<two>[A-Z])\)?)"
    r"(?:\s*[,:]\s*(?:(?!\b(?:is|are|[A-Z])\b)[^.\n]){1,60}?,?)?"
    r"\s+(?:is|must be|would be|should be|has to be)\s+"
    r"(?:(?:the|our|my|indeed|clearly|therefore|thus)\s+)*(?:only\s+)?"
    r"(?:(?:correct|right|best|better|true|final|proper)\b(?!\s+(?:to|that|in|for)\b)"
    r"|answer\b|one (?:that is )?left"
    r"|(?:correct |right |best )?(?:option|choice)\b)"
)


def _as_claims(text: str) -> str:
    """Rewrite other ways to choose, such as ``option B is correct``, as ``The answer is B.``"""
    text = _CHOOSES.sub(" the answer is ", text)
    text = _ONLY.sub(r"the answer is (\g<label>). It ", text)

    def rewrite(match: re.Match[str]) -> str:
        before = text[max(0, match.start() - 30) : match.start()]
        if re.search(r"\b(?:if|whether|is|neither|nor|not|that)\s+$", before, re.IGNORECASE):
            return match[0]
        return f"the answer is ({match['one'] or match['two']})."

    return _IS_CORRECT.sub(rewrite, text)


_OPTION_LINE = re.compile(r"\s*[(\[]?(?P<label>[A-Za-z])[)\].:]\s+\S")
_ALONE = re.compile(
    r"[\W_]{0,9}(?:(?:option|choice)\W{1,9})?(?P<label>[A-Za-z]|\d{1,2})[\W_]{0,9}", re.IGNORECASE
)
_LIST = re.compile(
    r"[(\[]?[A-Z][)\]]?(?:\s*(?:,\s*and\b|,\s*or\b|,|and\b|or\b|&)\s*[(\[]?[A-Z][)\]]?)+[\s.]*"
)
_LONGEST_LINE = 1000
_MENTION = re.compile(
    r"\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ll]etter)\s+(?P<named>[A-Z])\b|"
    r"[(\[](?P<bracketed>[A-Za-z])[)\]]|(?<![A-Za-z0-9_'’])(?P<bare>[B-HJ-Z]|[AI](?=[).:,;]|\s*$|\s+(?:or|and)\s+[(\[]?[A-Z]\b))(?![A-Za-z0-9_'’])"
)
_RATHER = re.compile(
    r"\b(?:no,? wait|wait,? no|wait|actually|sorry|I mean|correction)\b", re.IGNORECASE
)
_CONCLUDES = re.compile(r"\b(?:so|thus|hence|therefore|must|final|conclude)\b", re.IGNORECASE)
_AGAINST = re.compile(
    r"(?:\b(?:not|nor|neither|than|instead of|except|unlike|eliminate|exclude|rule out|reject)"
    r"|n['’]t(?: be)?)"
    r"\s+(?:option |choice |answer )?$",
    re.IGNORECASE,
)
_AGAINST_AFTER = re.compile(
    r"\s*(?:is|are|can be|must be)\s+(?:not|wrong|incorrect|false|eliminated|ruled out|too)"
    r"|\s*(?:isn|can|doesn)['’]t",
    re.IGNORECASE,
)


_EXPLAINS = re.compile(
    r"(?:explanation|reason|because|since|rationale|justification)", re.IGNORECASE
)
_LABEL = r"[(\[]?[A-Z][)\]]?"
_REJECTED = re.compile(  # "A, B and D are all incorrect"
    rf"(?:\b[Oo]ptions?\s+)?{_LABEL}(?:\s*,\s*{_LABEL})*\s*,?\s*(?:and|or)\s+{_LABEL}\s+(?:are|is|can|were)\s*"
    r"(?:(?:all|both|clearly|also|therefore|each|thus|be)\s+)*"
    r"(?:not\b|n['’]t\b|wrong|incorrect|false|eliminated|ruled out|excluded|impossible)"
    r"|(?:\b(?:not|neither|nor|eliminat\w+|exclud\w+|reject\w*|rul\w+ out)|n['’]t(?: be)?|"
    rf"cannot be)\s+(?:options?\s+)?{_LABEL}"
    rf"(?:\s*(?:,\s*(?:and|or|nor)\b|,|and\b|or\b|nor\b)\s*{_LABEL}(?![A-Za-z]))+"
)


def _guess(text: str, wanted: frozenset[str], option: str) -> frozenset[str] | None:
    """Read the letter on the last line of a reply that does not say which is its answer."""
    lines = [line.strip()[-_LONGEST_LINE:] for line in text.splitlines() if line.strip()]
    if not lines or gives_up(text):
        return None
    if _echoes_options(lines):
        return None
    opening = _OPTION_LINE.match(lines[0])
    if opening and len(lines) > 1 and _EXPLAINS.match(lines[1]):
        return frozenset([opening["label"].upper()])
    first = _ALONE.fullmatch(lines[0])  # a letter, and then its explanation
    if first and not first["label"].isdigit() and not _CONCLUDES.search(lines[-1]):
        last = _ALONE.fullmatch(lines[-1])
        return frozenset([(last or first)["label"].upper()])
    for line in reversed(lines):
        alone = _ALONE.fullmatch(line)
        if alone and (not alone["label"].isdigit() or any(label.isdigit() for label in wanted)):
            return frozenset([alone["label"].upper()])
        if _LIST.fullmatch(line):
            return frozenset(re.findall(r"[A-Z]", line))
        listed = _OPTION_LINE.match(line)
        if listed and not (listed["label"] in "aAiI" and not re.match(r"\s*[(\[]?\w[)\].:]", line)):
            return frozenset([listed["label"].upper()])
        if option and exact.check(option, line) is None:
            return wanted
        for sentence in reversed(sentences(line)):
            if _LOOKED_AT.match(sentence) or sentence.endswith("?"):
                continue
            letters = _mentions(_RATHER.split(sentence)[-1]) or _mentions(sentence)
            if letters:
                return letters
    return None


def _mentions(line: str) -> frozenset[str]:
    found = set()
    line = _REJECTED.sub(" ", line)
    for match in _MENTION.finditer(line):
        before, after = line[max(0, match.start() - 40) : match.start()], line[match.end() :]
        against = _AGAINST.search(before) or _AGAINST_AFTER.match(after)
        if not against:
            found.add((match["named"] or match["bracketed"] or match["bare"]).upper())
    return frozenset(found)


def _echoes_options(lines: list[str]) -> bool:
    """Tell whether a text ends in a list of options, of which none is chosen."""
    labels = [
        match["label"].upper() if (match := _OPTION_LINE.match(line)) else "" for line in lines[-2:]
    ]
    return len(labels) == 2 and all(labels) and ord(labels[1]) == ord(labels[0]) + 1
