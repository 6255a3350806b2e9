"""Mathematical answers, compared by value: fractions, sets, intervals, expressions, units.

Symbolic expressions are compared by math-verify (https://github.com/huggingface/Math-Verify).
"""

import re
from dataclasses import replace
from typing import Any

from z1.verifiers import choice, exact
from z1.verifiers.extract import (
    Claim,
    claims,
    decide,
    emphasised,
    first_sentence,
    gives_up,
    head,
    spoken,
    unmarked,
)
from z1.verifiers.reference import AnswerError, shown
from z1.verifiers.values import (
    Group,
    Named,
    Number,
    Rounded,
    Text,
    Value,
    clean,
    clocks,
    read,
    same,
)

_IN_DOLLARS = re.compile(r"\s*(?:\$?\s*\\\$|\$(?=[\d.,]+\s*$))")
NO_ANSWER = "the reply gives no answer"


def check(answer: Any, text: str) -> str | None:
    """Return why a reply is wrong, or None if its final answer equals the reference.

    Raises AnswerError if the reference is not a mathematical answer.
    """
    reference = read_reference(answer)
    if isinstance(reference, Text) and exact.check(clean(_source(answer)), clocks(text)) is None:
        return None
    letter = re.fullmatch(r"\(?([A-J])\)?", clean(_source(answer)))
    if letter and choice.check(letter[1], text) is None:
        return None
    if isinstance(reference, Number) and not reference.unit and _IN_DOLLARS.match(_source(answer)):
        reference = replace(reference, unit="dollars")
    try:
        said = spoken(text)
        bold = emphasised(said)
        given = decide(_joined(unmarked(said)), _read_claim, lambda rest: _guess(rest, bold))
    except (RecursionError, ValueError):
        return "the reply's answer cannot be read: it is too deep or too long"
    if given is None:
        return NO_ANSWER
    if same(reference, given):
        return None
    return f"the reply answers {shown(given.latex)}, the reference is {shown(reference.latex)}"


def read_reference(answer: Any) -> Value:
    """Read a reference: a number, text or LaTeX, or a list of the values that all belong to it.

    Raises AnswerError if it states nothing.
    """
    value = read(_source(answer))
    if value is None:
        raise AnswerError(f"the reference {shown(answer)} is not a mathematical answer")
    return value


def _source(answer: Any) -> str:
    if isinstance(answer, bool) or answer is None or isinstance(answer, dict):
        raise AnswerError(f"the reference must be a number, text or a list, not {shown(answer)}")
    if isinstance(answer, list):
        return ", ".join(_source(item) for item in answer)
    if isinstance(answer, float):
        return f"{answer:.15g}" if abs(answer) >= 1e-4 or answer == 0 else f"{answer:.15e}"
    source = str(answer)
    stated = [claim for claim in claims(source) if claim.kind != "phrase"]
    return stated[-1].text if stated else source


_END_OF_PROOF = re.compile(r"\$?\s*\\(?:blacksquare|square|Box|qed)\b\s*\$?|[∎■□]|\bQ\.?E\.?D\b\.?")


def _joined(text: str) -> str:
    """Put each displayed formula on one line, and the words of one outside it."""
    text = _END_OF_PROOF.sub("", text)
    text = re.sub(
        r"\\text(?:bf)?\{\s*((?:final )?answer[\s:=]*)\}", r"\1", text, flags=re.IGNORECASE
    )
    return re.sub(
        r"\$\$.*?\$\$|\\\[.*?\\\]|\\begin\{(\w+\*?)\}.*?\\end\{\1\}",
        lambda match: re.sub(r"\s*\n\s*", " ", match[0]),
        text,
        flags=re.DOTALL,
    )


_SEGMENT = re.compile(
    r"\$\$(.+?)\$\$|(?<!\\)\$((?:\\\$|[^$\n])+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL
)
_FLUFF = re.compile(
    r"^\s*(?:(?:approximately|approx\.?|about|roughly|around|exactly|simply|just|clearly|"
    r"therefore|thus|then|now|indeed|also|probably|likely|most likely|equal to|equals|given by|"
    r"a total of|us|me|you|him|her|them|only|either|both|is|be|"
    r"that|found to be|≈|≅|~|→|=|:|\\approx|"
    r"the (?:real |whole |ordered )*(?:number|value|fraction|integer|point|interval|set|pair|"
    r"triple|expression|function|equation|matrix|vector)s?)(?![\w])\s*[:,]?\s*)+",
    re.IGNORECASE,
)
# "12 (or perhaps 13)" names two values
_HEDGED = re.compile(
    r",?\s*\(\s*(?:or\s+)?(?:perhaps|maybe|possibly|even)\s+([^()]*)\)", re.IGNORECASE
)
_HEDGE = re.compile(
    r",?\s+(?:or\s+)?(?:perhaps|maybe|possibly|even)\s+(?=[\d$\\-])|\bor\s+(?:perhaps|maybe|possibly)\s+",
    re.IGNORECASE,
)
_NOT_BUT = re.compile(r"^\s*not\s+\S+?\s*,?\s+but\s+(?:rather\s+)?", re.IGNORECASE)
_DENIED = re.compile(r"\s*(?:not|never)\b", re.IGNORECASE)
_JOINT = re.compile(
    r"\s*(?:,|;|,?\s*(?:and|or)\b|\\cup|∪|=|\s)*\s*(?:[a-zA-Z]\s*=\s*)?", re.IGNORECASE
)
_IN_WORDS = re.compile(
    r"(?:there (?:is|are) )?no (?:such )?(?:real |integer )?"
    r"(?:solutions?|answers?|values?|numbers?)(?: exists?)?|"
    r"undefined|none|does not exist|dne|impossible|infinite(?:ly many)?(?: solutions)?|infinity|"
    r"all (?:real )?numbers|unknown|indeterminate|diverges|the empty set|yes|no|true|false",
    re.IGNORECASE,
)


def _read_claim(claim: Claim) -> Value | None:
    if claim.kind == "phrase":
        return _plain(claim.text)
    inner = [c for c in claims(claim.text) if c.kind == "boxed" or c.end < len(claim.text)]
    if claim.kind == "tag" and (inner or "\n" in claim.text):
        return decide(claim.text, _read_claim, lambda rest: _guess(rest, {}))
    value = read(claim.text)
    if isinstance(value, Text) and claim.kind != "boxed":
        return _plain(claim.text) or value
    return value


def _plain(text: str) -> Value | None:
    """Read a value from words: the formulas it starts with, or the value before any explanation."""
    text = _HEDGE.sub(" or ", _HEDGED.sub(r" or \1", _FLUFF.sub("", text)))
    text = _NOT_BUT.sub("", text)
    if _DENIED.match(text):
        return None
    segments = list(_SEGMENT.finditer(text))
    if segments:
        return _formulas(text, segments)
    short = head(text)
    for candidate in dict.fromkeys([short, first_sentence(text)]):
        value = read(candidate)
        if value is not None and not _is_prose(value):
            glad = re.fullmatch(r"[^!]*\d!", value.latex)  # "it is 5!" may be said with joy
            fewer = read(candidate.rstrip("!")) if glad else None
            return Rounded(value.latex, value, fewer) if fewer else value
    if isinstance(value := read(short), Text) and _IN_WORDS.fullmatch(value.latex.strip(" .!")):
        return value
    counted = re.match(
        r"([\d.,]+)\s+[a-z]+\s+(?:in|for|per|at|on|of|from|with|each|every|to)\b", short
    )
    return read(counted[1]) if counted else _inside(short)


def _is_prose(value: Value) -> bool:
    if isinstance(value, Group):
        return any(_is_prose(item) for item in value.items)
    if isinstance(value, Named):
        return _is_prose(value.value)
    if isinstance(value, Rounded):
        return _is_prose(value.exact)
    if isinstance(value, Number):
        return bool(re.search(r"\b(?:more|less|times|fewer|and|or|than|plus|minus)\b", value.unit))
    return isinstance(value, Text) or (
        type(value) is Value
        and bool(
            re.search(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}|[\u0400-\u9fff\uac00-\ud7a3]", value.latex)
        )
        and "\\begin" not in value.latex
    )


def _formulas(text: str, segments: list[re.Match[str]]) -> Value | None:
    """Read the formulas at the start of a text that only commas and the like keep apart."""
    first = segments[0]
    before = text[: first.start()].strip()
    if before and len(segments) > 1 and not re.fullmatch(r"\(?[\w\s]{0,40}[=:]?\s*\(?", before):
        first = segments[-1]
        return read(_content(first))
    if re.search(r"\d\s*$", before) or re.match(r"\s*\d+(?:\.\d+)?\s", before + " "):
        value = read(head(text))  # 5 $\text{cm}$
        if value is not None and not _is_prose(value):
            return value
    pieces, end = [_content(first)], first.end()
    for segment in segments[1:]:
        between = text[end : segment.start()]
        if not _JOINT.fullmatch(between):
            break
        joint = between.strip() or ","
        pieces.append("\\cup" if "∪" in joint or "cup" in joint else joint)
        pieces.append(_content(segment))
        end = segment.end()
    name = re.search(r"([a-zA-Z])\s*=\s*$", before)
    source = (f"{name[1]} = " if name else "") + " ".join(pieces)
    percent = re.match(r"\s*(?:\\?%|per\s?cent)", text[end:])
    unit = re.match(r"\s+[a-z]+(?:\^?[23²³])?", text[end:])
    value = read(source + ("%" if percent else ""))
    if unit and isinstance(value, Number) and not value.unit:
        longer = read(source + unit[0])
        value = longer if isinstance(longer, Number) else value
    return value


def _content(segment: re.Match[str]) -> str:
    return next(group for group in segment.groups() if group is not None)


_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.\\])[+\-−]?\s?(?:[$€£]\s?)?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?<=\d)"
    r"(?:\s*/\s*\d+)?(?:\s*%)?(?![A-Za-z0-9_/])"
)
_SAYS = re.compile(
    r"(?<![<>!])=|['’]s\s|\b(?:is|are|was|were|be|equals?|gives?|get|gets|have|has|had|makes?|leaves?|left|totals?|"
    r"costs?|pays?|paid|earns?|yields?|obtain|takes?|need|needs|comes? (?:out )?to)\b[:\s]*",
    re.IGNORECASE,
)


_BOUND = re.compile(
    r"\b(?:(?:more|less|greater|fewer|larger|smaller|higher|lower|bigger) than|at least|at most|"
    r"between|over|under|up to|above|below|not|never)\s*$"
    r"|\b(?:half|twice|double|triple|thirds?|quarters?|percent|root|square|cube)(?: of)?\s*$",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r",?\s*(?:\b(?:so|thus|hence|therefore|which means|we get)\b|"
    r"→|⇒|\\Rightarrow|\\implies|∴|->)\s*,?",
    re.IGNORECASE,
)


def _inside(text: str) -> Value | None:
    """Read a value in the middle of a sentence: after ``=``, or the only number there is."""
    equation = re.search(r"=\s*([^=]+)$", text)
    if equation:
        value = read(equation[1])
        if value is not None and not _is_prose(value):
            return value
    numbers = [match for match in _NUMBER.finditer(text) if match[0].strip(" -+−$")]
    if len(numbers) == 1 and not _BOUND.search(text[: numbers[0].start()]):
        return read(numbers[0][0])
    if not numbers:
        written = [
            value for word in re.findall(r"[a-z]+(?:-[a-z]+)?", text) if (value := read(word))
        ]
        written = [value for value in written if isinstance(value, Number)]
        return written[0] if len(written) == 1 and text.split()[0].islower() else None
    return None


_LONGEST_LINE = 400


def _guess(text: str, bold: dict[str, str]) -> Value | None:
    """Read the answer of a text that does not say which it is.

    That is the value in bold on the last line that has any value, or else the last on that line.
    """
    if gives_up(text) or _CUT.search(text):
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and (alone := read(lines[0])) and _is_bare_name(alone):
        return alone
    checks = [line for line in lines if _CHECKS.match(line)]
    ordered = [*checks, *(line for line in lines if line not in checks)]
    for line in (line[-_LONGEST_LINE:] for line in reversed(ordered)):
        if line in bold and not bold[line].endswith(":") and (value := _plain(bold[line])):
            return value
        if (value := _guess_line(line)) is not None:
            return value
    return None


_CHECKS = re.compile(
    r"(?:double[- ]?check|check|verification|verify|sanity check)\w*:", re.IGNORECASE
)
_CUT = re.compile(  # nobody ends a sentence like this
    r"(?:(?<=\s)(?:the|of|to|and|or|but|so|we|is|are|was|that|which|with|for|from|by|then|because|"
    r"since|if|let|me|now|next|how|many|must|should|will|can|have|has|need|also|this|its|their)"
    r"|[=+*/,(×÷]|\\(?:times|cdot|frac|sqrt))[\s$\\(\[{]*$",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r",?\s+(?:and\s+)?(?:not|rather than|instead of)\s+[^\s,]+?[\s.!]*$"
    r"|,\s+which (?:is|was|makes) (?:\w+ )?\S+\s?(?:\\?%|percent) of\b.*$"
)
_ASIDE = re.compile(r"\s*\((?=[^()]*[a-zA-Z]{3})[^()]*\)(?=[\s.!]*$)")
_STATED = re.compile(
    rf"(?:{_SAYS.pattern}|\bi\.e\.,?\s*|\b(?:so|thus|hence|therefore|then|have|get|∴)\b,?\s*)$",
    re.IGNORECASE,
)


def _guess_line(line: str) -> Value | None:
    shorter = _CONTRAST.sub("", _ASIDE.sub("", line))
    line = shorter if _NUMBER.search(shorter) else line
    conclusion = _CONCLUDES.split(line)[-1]
    if conclusion != line and "$" not in line and "\\(" not in line:
        value = _guess_line(conclusion)
        if value is not None:
            return value
    segments = [
        (segment, value)
        for segment in _SEGMENT.finditer(line)
        if (value := read(_content(segment))) is not None and not _is_bare_name(value)
    ]
    rest = line[segments[-1][0].end() :] if segments else line
    if segments and not _NUMBER.search(rest):
        # "is $4$, attained at $x = 2$": what follows "is" or "so" comes before what follows that
        stated = [
            number
            for number, (segment, _) in enumerate(segments)
            if _STATED.search(line[: segment.start()])
        ]
        if stated:
            segments = segments[: stated[-1] + 1]
        start = segments[-1][0].start()
        for position in range(len(segments) - 2, -1, -1):  # $2$ and $3$
            between = line[segments[position][0].end() : start]
            if not re.search(r",|\band\b|\bor\b", between) or not _JOINT.fullmatch(between):
                break
            start = segments[position][0].start()
        return _plain(line[start:]) or segments[-1][1]
    line = re.sub(r"^\s*(?:[-*•]|\d+[.)]|[^\W\d_][^\d\n:=$\\]{0,24}[::])\s+", "", line)
    value = read(line)
    if value is not None and not _is_prose(value) and not _is_bare_name(value):
        return value
    sentence = line
    for candidate in reversed(re.split(r"(?<=[.!?;])\s+", line)):
        if _NUMBER.search(candidate) or "=" in candidate:
            sentence = candidate
            break
    for start in reversed([match.end() for match in _SAYS.finditer(sentence)]):
        value = _plain(sentence[start:])
        if value is not None and not _is_bare_name(value) and not isinstance(value, Text):
            return value
    numbers = [match for match in _NUMBER.finditer(sentence) if match[0].strip(" -+−$")]
    if not numbers or _BOUND.search(sentence[: numbers[-1].start()]):
        return None
    return read(numbers[-1][0])


def _is_bare_name(value: Value) -> bool:
    return type(value) is Value and bool(
        re.fullmatch(r"\\(?:alpha|beta|theta|lambda)|[a-zA-Z]", value.latex.strip())
    )
