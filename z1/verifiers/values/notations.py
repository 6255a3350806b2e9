"""Rarer notations of a whole answer, rewritten as the usual ones."""

import re

_ENDS = r"[^()\[\]]*?[,;][^()\[\]]*?"
_REVERSED = re.compile(rf"(?:^|[\s=])\]\s*{_ENDS}[\[\]]|\[{_ENDS}\[")
_INTERVAL = re.compile(rf"(?P<open>[\[\](])(?P<ends>{_ENDS})(?P<close>[\[\])])")
_BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16,
}  # fmt: skip
_BASE = rf"(\d{{1,2}}|{'|'.join(_BASES)})"
_BASED = re.compile(
    rf"\(?(?P<digits>[+-]?[0-9A-F][0-9A-Fa-f]*)\)?\s*(?:_\s*[{{(\s]*{_BASE}[)}}\s]*"
    rf"|[,(]?\s*(?:in )?base[\s-]+{_BASE}\s*\)?)"
)
_POINT = re.compile(r"[A-Z](?:'|_\{?\d\}?)?\s*(?=\((?:[^()]|\([^()]*\))*,(?:[^()]|\([^()]*\))*\)$)")
_RATIO = re.compile(r"(\d+)\s+to\s+(\d+)(?:\s+to\s+(\d+))?")
_REMAINDER = re.compile(r"(-?\d+)\s*\(?\s*\\?[bp]?mod(?:ulo)?\s*\{?\s*\w+\s*\}?\s*\)?")
_EXCEPT = re.compile(
    r"(?:[a-z]\s*\\in\s*)?"
    r"(?:\\mathbb\{R\}|all (?:real )?(?:numbers|values|reals)(?: of)?(?: [a-z])?)\s*,?\s*"
    r"(?:except|other than|besides|excluding)(?: for)?\s+(?:[a-z]\s*=\s*)?(?P<out>.+)"
)
_NEAR_ZERO = re.compile(r"\|\s*([a-z])\s*\|\s*(<|\\le)(?![a-z])\s*([^-+<>|]+)")
_WHOLE = r"(?:integers?|whole numbers?|real numbers?|natural numbers?)"
_VARIABLE = r"(?:[a-zA-Z]|\\[a-z]+)"
_VARIABLES = rf"{_VARIABLE}(?:\s*(?:,|and)\s*{_VARIABLE})*"
_CONDITION = re.compile(  # "2\pi k, k \in \mathbb{Z}"; "1/x for x \ne 0"
    r"(?<=[\w)}\]])\s*(?:,\s*(?:for|where|with|if)?|;|\(|\bfor\b|\bwhere\b|\bwith\b|\bif\b)\s*"
    rf"(?:(?:any|all|every|some)\s+{_WHOLE}\s+{_VARIABLES}|{_VARIABLES}\s*(?:\\in\s*\\mathbb\{{\w\}}"
    rf"(?:\^?[+*])?|(?:is|are)\s+(?:an?\s+|any\s+)?{_WHOLE}|\\ne(?:q)?(?![a-z])\s*"
    r"(?:-?[\w\\{}]+(?:\s*,\s*-?\d+)*)))\s*\)?$"
)


def usual(text: str) -> str:
    """Return a cleaned answer in the usual notation.

    Rewritten are reversed brackets (``]0, 1]`` is ``(0, 1]``), names of bases (``101_{two}`` is
    ``101_2``), points with a name (``P(1, 2)``) and ratios in words (``3 to 2``). What a variable
    may be (``k \\in \\mathbb{Z}``) is left out.
    """
    if _REVERSED.search(text):
        return _INTERVAL.sub(
            lambda m: (
                f"{'(' if m['open'] in '](' else '['}{m['ends']}{']' if m['close'] == ']' else ')'}"
            ),
            text,
        )
    if based := _BASED.fullmatch(text):
        base = based[2] or based[3]
        return f"{based['digits']}_{_BASES.get(base, base)}"
    if remainder := _REMAINDER.fullmatch(text):
        return remainder[1]
    if other := _EXCEPT.fullmatch(text):
        out = re.sub(r",?\s*\b(?:and|or)\b", ",", other["out"])
        return f"\\mathbb{{R}} \\setminus ⦃{out}⦄"
    if near := _NEAR_ZERO.fullmatch(text):
        name, sign, end = near.groups()
        return f"-{end} {sign} {name} {sign} {end}"
    if ratio := _RATIO.fullmatch(text):
        return ":".join(filter(None, ratio.groups()))
    text = _POINT.sub("", text, count=1) if _POINT.match(text) else text
    return _CONDITION.sub("", text) if not text.startswith(("⦃", "{")) else text
