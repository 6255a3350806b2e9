"""Where a reply states its final answer.

A *claim* is a place where a reply says "this is the answer": a box, a tag, a ``####`` line or a
phrase. The last claim that a verifier can read counts, unless the reply takes it back. A reply
without any claim is read from its end.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

T = TypeVar("T")

Kind = Literal["boxed", "tag", "hash", "phrase"]


@dataclass(frozen=True)
class Claim:
    """A place where a reply states an answer."""

    kind: Kind
    text: str
    """What is stated: all of it for a box or tag, the rest of the line for a phrase."""
    start: int
    end: int
    """Where it stands in the text that was searched."""


_THINKING = re.compile(r"<(think|thinking)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THINKING_START = re.compile(r"<think(?:ing)?>.*$", re.DOTALL | re.IGNORECASE)
# A pair of stars around words is emphasis; stars between numbers or names are arithmetic.
_BOLD = re.compile(r"(?<![\w)*])(\*\*|__)(?=\S)(.+?)(?<=\S)\1(?![\w(*])", re.DOTALL)
_ITALIC = re.compile(r"(?<![\w)*\\])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w(*])")
_FENCE = re.compile(r"^[ \t]*```[\w-]*[ \t]*$\n?", re.MULTILINE)
_HTML = re.compile(
    r"</?(?:b|i|u|p|em|strong|span|div|center|sub|sup)\b[^<>]*>|<br\s*/?>", re.IGNORECASE
)
_HEADING = re.compile(r"^[ \t]*(?:#{1,3}|#{5,6})[ \t]+|^[ \t]*>[ \t]?", re.MULTILINE)


_LONGEST_ENDING = 50_000  # characters; no final answer stands further from the end
_LONGEST_ANSWER = 1000


def spoken(text: str, longest: int = _LONGEST_ENDING) -> str:
    """Return what a reply says after its thinking, if its thinking is in tags.

    A reply cut off inside such tags says nothing. Of a very long one only the end is returned,
    ``longest`` characters of it.
    """
    text = _THINKING.sub("", text)
    text = text[text.rfind("</think>") + len("</think>") :] if "</think>" in text else text
    return _THINKING_START.sub("", text)[-longest:].strip()


def emphasised(text: str) -> dict[str, str]:
    """Return the last words in bold of each line that has some, by the line without Markdown."""
    found = {}
    for line in text.splitlines():
        if bold := [match[2] for match in _BOLD.finditer(line)]:
            found[unmarked(line).strip()] = bold[-1]
    return found


def unmarked(text: str) -> str:
    """Remove Markdown's emphasis, headings and code fences."""
    text = _FENCE.sub("", _HTML.sub("", text))
    text = _HEADING.sub("", text)
    text = _BOLD.sub(r"\2", text)
    return _ITALIC.sub(r"\1", text)


_ADJECTIVES = (
    r"(?:(?:final|correct|right|best|overall|required|desired|numerical|exact|simplified)\s+)*"
)
_SCOPE = (  # "the answer to the question in simplest form (in cm) is"
    r"(?:\s+(?:to|for|in|rounded|as|given|here|then|we|that|you|which|option|choice)\b"
    r"[^.\n:=]{0,60}?)?(?:\s*\([^)\n]{0,40}\))?"
)
_IS = (
    r"\s*(?:(?:\bis\b|\bwas\b|\bare\b|\bequals\b|=|:-(?=\s)|:|→|->|⇒|"
    r"\bshould be\b|\bmust be\b|\bwould be\b|"
    r"\bwill be\b|\bcomes? (?:out )?to(?: be)?\b|\bturns out to be\b|\bbecomes\b|'s\b|’s\b)"
    r"[ \t]*:?[ \t]*)"
)
_ANSWER_IS = re.compile(rf"\b(?P<noun>{_ADJECTIVES}answers?){_SCOPE}{_IS}", re.IGNORECASE)
_ANSWER_LINE = re.compile(
    rf"^[ \t]*(?:(?:the|my|our)\s+)?{_ADJECTIVES}answer[ \t]*(?::-(?=\s)[ \t]*|[:.\-–—][ \t]*|$)",
    re.IGNORECASE | re.MULTILINE,
)
# The same in the languages that models fall into.
_ANSWER_ABROAD = re.compile(
    r"(?:(?:答案|答え|正解|정답|답)(?:选|選)?\s*(?:应该|應該)?(?:是|为|為|は|은|는|[::=])*"
    r"|\b(?:ответ|antwort|(?:respuesta|réponse|risposta|resposta|odpowiedź|antwoord)"
    r"(?:\s+(?:final|finale|correcta|correcte|corretta|correta))?)\b"
    r"\s*(?:(?:ist|lautet|es|est|è|é|is|to|это|[:=—–-])(?!\w))+)[ \t]*[::]?[ \t]*",
    re.IGNORECASE,
)
_IS_THE_ANSWER = re.compile(
    r"(?:^|(?<=[.,;:!?\n])|\b(?:so|thus|hence|therefore|that|think|believe|means)\b,?)[ \t]*"
    r"(?P<what>[^\n]{1,60}?)\s+(?:is|must be|would be|should be)\s+(?:the|our|my)\s+"
    rf"{_ADJECTIVES}answer\b",
    re.IGNORECASE | re.MULTILINE,
)
_CONNECTIVES = re.compile(
    r"^(?:(?:so|thus|hence|therefore|and|but|then|that|i think|i believe)\b[\s,]*)+", re.IGNORECASE
)
# "Wait, it should be 8": says what the answer is only because one was stated before.
_CORRECTION = re.compile(
    r"(?:\b(?:wait|actually|no|sorry|correction|rather|oops|hmm+|hold on|on second thought)\b"
    r"[^.\n]{0,60}?\b(?:it|that|this|answer|result)\s*(?:'s|’s|\s+is|\s+should be|\s+must be)"
    r"(?:\s+(?:actually|really|in fact))?"
    r"|\b(?:it|that|this)\s+(?:should|must)\s+(?:actually\s+|really\s+|instead\s+)?be"
    r"|\bmake that|\bI mean|\bI meant|\bcorrection:|\bcorrected answer:?)[ \t]+",
    re.IGNORECASE,
)
_JUDGEMENT = re.compile(  # "wait, that is wrong" corrects without saying to what
    r"(?:wrong|incorrect|right|correct|true|false|fine|good|not|impossible|a mistake|an error)\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\s*(?:definitely |certainly |clearly )?(?:not\b|n['’]t\b|never\b)", re.I)
_BUT = re.compile(r"\b(?:but|rather)\s+(?:rather\s+|instead\s+|is\s+)?", re.IGNORECASE)
_HYPOTHESIS = re.compile(
    r"\b(?:if|whether|unless|suppos\w+|assum\w+|say|imagine|(?:might|may|could) (?:\w+ )?"
    r"(?:think|say|guess|assume|believe|expect|conclude))\s+(?:that\s+)?"
    r"(?:(?:the|my|our|this|its|an?)\s+)?$"
    r"|\b(?:wrong|incorrect|naive|initial|first|previous|earlier|tempting|intuitive|other)\s+$"
    r"|\b(?:n['’]t|not|never)\s+(?:think|believe|mean|say)\s+(?:that\s+)?(?:the\s+)?$",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|had|were|unless|with|without|assuming)\b", re.IGNORECASE)
_PARTIAL = re.compile(r"\b(?:step|part|first|previous|sub-?problem|sub-?question)\b", re.IGNORECASE)
_PRONOUN = re.compile(
    r"(?:and |but |so |then |now )*(?:this|that|it|which|what|here|there|these|those|he|she|below)"
    r"(?: (?:value|number|result|one))?",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"<(answer|final_answer)>(?P<in>.*?)(?:</\1>|(?=<\1>)|\Z)", re.DOTALL | re.IGNORECASE
)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(?P<in>[^\n]*\S)", re.MULTILINE)
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)|\\boxed\s+(?P<bare>[^\s${}\\]+)")
_BOX_JOINT = re.compile(
    r"[\s.]*(?:\\?\$|\\[)\]])*\s*(?:,|;|\\text\{\s*(?:and|or)\s*\}|\band\b|\bor\b|\\quad|\\,|\s)*"
    r"(?:\\?\$|\\[(\[])*\s*(?:\w+\s*=\s*)?"
)


def claims(text: str) -> list[Claim]:
    """Return every place where the text states an answer, in the order in which they stand.

    Boxes that only ``and``, ``or`` or a comma part are one claim, their contents joined by
    commas. Statements that are denied, supposed, asked or about a part of the problem are left
    out.
    """
    found = _boxes(text)
    for match in _TAG.finditer(text):
        found.append(Claim("tag", match["in"].strip(), match.start("in"), match.end()))
    for match in _HASHES.finditer(text):
        found.append(Claim("hash", match["in"].strip(), match.start(), match.end()))
    phrases = [
        *_ANSWER_IS.finditer(text),
        *_ANSWER_LINE.finditer(text),
        *_ANSWER_ABROAD.finditer(text),
    ]
    for match in phrases:
        before = text[max(0, match.start() - 100) : match.start()]
        sentence = re.split(r"[.!?]\s|\n", before)[-1]
        supposed = "would be" in match[0] and _CONDITION.search(sentence)
        if _HYPOTHESIS.search(before.rpartition("\n")[2]) or _PARTIAL.search(match[0]) or supposed:
            continue
        if claim := _phrase(text, match.end()):
            found.append(claim)
    for match in _IS_THE_ANSWER.finditer(text):
        what = _CONNECTIVES.sub("", match["what"].strip())
        supposed = "would be" in match[0] and _CONDITION.search(first_sentence(text[match.end() :]))
        if not _PRONOUN.fullmatch(what) and not _NEGATION.search(what) and not supposed:
            found.append(Claim("phrase", what, match.start("what"), match.end()))
    first = min((claim.start for claim in found), default=len(text))
    for match in _CORRECTION.finditer(text, first):
        if not _JUDGEMENT.match(text, match.end()) and (claim := _phrase(text, match.end())):
            found.append(claim)
    boxes = [(claim.start, claim.end) for claim in found if claim.kind == "boxed"]
    # one statement may match two phrases; one in a box is the box's
    once = {
        (claim.kind, claim.end): claim
        for claim in found
        if claim.text and (claim.kind == "boxed" or not any(a < claim.start < b for a, b in boxes))
    }
    return sorted(once.values(), key=lambda claim: (claim.start, claim.kind != "phrase"))


def _boxes(text: str) -> list[Claim]:
    found: list[Claim] = []
    position = 0
    while match := _BOX.search(text, position):
        if match["bare"]:
            content, position = match["bare"].rstrip(".,;"), match.end()
        else:
            following = _BOX.search(text, match.end())
            if following and "}" not in text[match.end() : following.start()]:
                position = match.end()  # of a box in a box the inner one counts
                continue
            end = closing_brace(text, match.end())
            content, position = text[match.end() + 1 : end], end + 1
            if _BOX.search(content):
                position = match.end()
                continue
        if _CONTRASTED.search(text, max(0, match.start() - 30), match.start()):
            continue
        content = content.strip()
        joint = text[found[-1].end : match.start()] if found else ""
        if joint and "\n\n" not in joint and _joins(joint):
            content, start = f"{found[-1].text}, {content}", found.pop().start
        else:
            start = match.start()
        found.append(Claim("boxed", content, start, min(position, len(text))))
    return found


_CONTRASTED = re.compile(r"\b(?:not|rather than|instead of)[\s$\\(\[]*$")


def _joins(joint: str) -> bool:
    says_and = re.search(r",|;|\band\b|\bor\b", joint)
    return bool(says_and and _BOX_JOINT.fullmatch(joint))


def closing_brace(text: str, opening: int) -> int:
    """Return where the brace that opens at ``opening`` closes.

    One that does not close within a few answers' length ends there, or with the text.
    """
    depth = 0
    end = min(len(text), opening + 4 * _LONGEST_ANSWER)
    for match in re.compile(r"\\[{}]|[{}]").finditer(text, opening, end):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return end


_INSTEAD = re.compile(  # "5, no wait, 6"
    r"(?:,|\.\.\.|…|-|—)\s*(?:no,? wait|wait,? no|wait|no,|sorry|I mean|I meant|actually|make that|"
    r"or rather|correction)[,:]?\s+(?:(?:it['’]s|it is|I mean|I meant|make that)\s+)?(?=\S)",
    re.IGNORECASE,
)


def _phrase(text: str, position: int) -> Claim | None:
    """Return the claim whose statement starts at ``position``, on that line or below it."""
    line_end = text.find("\n", position)
    line_end = min(len(text) if line_end < 0 else line_end, position + _LONGEST_ANSWER)
    line = text[position:line_end]
    if not line.strip(" \t*_$:.\\[(") or line.strip() in ("$$", "\\["):
        block = re.compile(r"[\s*_:]*(?P<in>\$\$.*?\$\$|\\\[.*?\\\]|[^\n]+)", re.DOTALL)
        match = block.match(text, position)
        if not match:
            return None
        return Claim("phrase", match["in"].strip(), position, match.end())
    for opening, closing in (("$$", "$$"), ("\\[", "\\]")):  # a display that goes on below
        start = line.find(opening)
        if start >= 0 and closing not in line[start + 2 :]:
            end = text.find(closing, position + start + 2)
            line_end = end + 2 if end >= 0 else line_end
            line = text[position:line_end]
    if _NEGATION.match(line):
        but = _BUT.search(line)
        if not but:
            return None
        line = line[but.end() :]
    if first_sentence(line).rstrip().endswith("?"):
        return None
    sentence = first_sentence(line)
    end = line_end - len(line) + len(sentence)
    for instead in _INSTEAD.finditer(line, 0, len(sentence)):
        line = sentence[instead.end() :]
    return Claim("phrase", line.strip(), position, end)


_SENTENCE_END = re.compile(
    r"(?:(?<![\s.][A-Z])(?<!e\.g)(?<!i\.e)\.|[!?])(?=\s+[^\s\d]|\s*$)|[\n。!?]"
)


def first_sentence(text: str) -> str:
    """Return the text up to the end of its first sentence, with its end mark."""
    match = _SENTENCE_END.search(text)
    return text[: match.end()] if match else text


def sentences(text: str) -> list[str]:
    """Divide a text into its sentences and lines."""
    found = []
    while text := text.strip():
        found.append(first_sentence(text).strip())
        text = text[len(found[-1]) :]
    return found


_INTERJECTIONS = (
    r"(?:(?:but|and|oh|ah|wait|no|hmm+|actually|sorry|oops|hold on|hang on|however|okay|ok|well|"
    r"on second thoughts?|in fact)[\s,.!:;…—–-]*)*"
)
_TAKEN_BACK = re.compile(
    rf"^\W*{_INTERJECTIONS}(?:"
    r"(?:that|this|it|(?:the|my) (?:above |previous )?answer)(?:['’]s| is| was)?\s*"
    r"(?:(?:not|n['’]t) (?:right|correct|true|possible|it|quite right)|wrong|incorrect|impossible|"
    r"a mistake|an error)|(?:that|this|it) (?:can['’]t|cannot) be(?: right| correct)?|"
    r"(?:i|we)(?:['’]ve| have)? (?:made|was wrong|were wrong|misread|forgot|miscounted|"
    r"miscalculated|misunderstood|messed)|(?:there(?:['’]s| is) )(?:a mistake|an error)|"
    r"scratch that|strike that|disregard|ignore (?:that|this|the)|correction\b|my mistake|"
    r"let me (?:redo|start over|recompute|recalculate|try again|fix|correct|reconsider))",
    re.IGNORECASE,
)
_SECOND_THOUGHT = re.compile(
    r"^\W*(?:(?:but|oh|no)\W+)*(?:wait|actually|hmm+|hold on|hang on|oops|on second thoughts?|no,)",
    re.IGNORECASE,
)
_CHECKING = re.compile(
    r"\b(?:check|verify|confirm|sanity|plug|substitut|test|note that|we can see)", re.IGNORECASE
)
_AFFIRMED = re.compile(
    r"\b(?:yes|correct|confirm\w*|checks? out|indeed|match(?:es)?|consistent|stands?|right)\b|[✓✔]",
    re.IGNORECASE,
)


def decide(
    text: str, read: Callable[[Claim], T | None], guess: Callable[[str], T | None]
) -> T | None:
    """Return the answer that a reply ends up with, or None if it gives none.

    ``read`` turns a claim into an answer, or returns None for one that states none of its kind.
    ``guess`` reads a text without claims from its end; it also reads what follows a claim that
    the reply takes back.
    """
    for claim in reversed(claims(text)):
        answer = read(claim)
        if answer is None:
            continue
        rest = text[claim.end :]
        following = sentences(rest)
        if any(_TAKEN_BACK.match(sentence) for sentence in following):
            return guess(rest)
        second_thought = any(_SECOND_THOUGHT.match(sentence) for sentence in following)
        if second_thought and not _CHECKING.search(rest) and not _AFFIRMED.search(rest):
            later = guess(rest)
            return answer if later is None else later
        return answer
    return None if _UNFINISHED.search(text) else guess(text)


_UNFINISHED = re.compile(  # the answer was to follow
    r"(?:\\boxed\s*\{?|\banswer(?:\s+(?:is|should be|must be)\b)?\s*[:=]?)[\s*_$\\\[({:]*$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[,;]?\s+(?:\(?(?:because|since|which|where|when|so|as (?:the|we|it|there|shown|"
    r"required|expected|a|desired|well|per)|for (?:the|all|any|every|this)|after|given|due|thus|"
    r"hence|therefore|meaning|i\.e\.|that is|namely|and (?:not|the|we|so|this|that|it|then|"
    r"therefore|thus)|not|but|rather than|instead of|while|although|though|per the|based on|"
    r"according|obtained|found|if|by)\b)"
    r"|\s+[—–]\s+|\s+-\s+(?=[A-Za-z]{2})|\s+\((?=[a-zA-Z]{2,}\b(?![^)]*=[^)]*\)$))"
    r"|,\s+(?=(?:the|a|an|so|we|it|this|that|then)\s)",
    re.IGNORECASE,
)


def head(text: str) -> str:
    """Return the part of a stated answer before its explanation begins."""
    text = first_sentence(text)
    match = _CLAUSE.search(text)
    return text[: match.start()].strip() if match and match.start() else text.strip()


_NO_ANSWER = re.compile(
    r"\b(?:i (?:do not know|don['’]t know|cannot|can['’]t|could not|couldn['’]t|am unable|give up|"
    r"am not sure)|i['’]m (?:unable|not sure)|(?:cannot|can['’]t) be determined|"
    r"not enough information|unable to|no idea)\b|^\W*not sure\b",
    re.IGNORECASE,
)


def gives_up(text: str) -> bool:
    """Tell whether the last sentence says that there is no answer to give."""
    last = sentences(text)[-1:]
    return bool(last and _NO_ANSWER.search(last[0]))
