"""One spelling for what models write: LaTeX without layout, fonts, dollars or Unicode signs."""

import re

from z1.verifiers.extract import closing_brace
from z1.verifiers.values.brackets import closes

_UNICODE = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-", "×": "\\times ",
    "·": "\\cdot ", "⋅": "\\cdot ", "∙": "\\cdot ", "÷": "/", "⁄": "/", "∕": "/", "π": "\\pi ",
    "∞": "\\infty ", "≤": "\\le ", "⩽": "\\le ", "≥": "\\ge ", "⩾": "\\ge ", "≠": "\\ne ",
    "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "±": "\\pm ", "∅": "\\emptyset ",
    "θ": "\\theta ", "α": "\\alpha ", "β": "\\beta ", "λ": "\\lambda ", "°": "^\\circ ",
    "≈": "\\approx ", "ℝ": "\\mathbb{R}", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "，": ", ", "（": "(", "）": ")", "。": ".", "：": ":", "’": "'", "‘": "'", "“": '"', "”": '"',
    "½": " \\frac{1}{2}", "⅓": " \\frac{1}{3}", "⅔": " \\frac{2}{3}", "¼": " \\frac{1}{4}",
    "¾": " \\frac{3}{4}", "⅕": " \\frac{1}{5}", "⅙": " \\frac{1}{6}", "⅛": " \\frac{1}{8}",
    "⅜": " \\frac{3}{8}", "⅝": " \\frac{5}{8}", "⅞": " \\frac{7}{8}", "⅚": " \\frac{5}{6}",
    "⅖": " \\frac{2}{5}", "⅗": " \\frac{3}{5}", "⅘": " \\frac{4}{5}", "¢": " cents",
    "∨": " or ", "∧": " and ", "∖": "\\setminus ", "ℤ": "\\mathbb{Z}", "…": "...", "\u3000": " ",
}  # fmt: skip
_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_TRANSLATION = _FULL_WIDTH | str.maketrans(_UNICODE)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_CURRENCY = r"(?:\\?\$|€|£|¥|₹|USD\s?|US\\?\$)"

_REPLACEMENTS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\\(?:left|right)\s*\.", ""),
        (r"\\(?:mathbf|mathrm|mathit|vec|hat)\s+([a-zA-Z])(?![a-zA-Z])", r"\1"),
        (r"\\(?:displaystyle|textstyle|limits|nolimits|left|right|[bB]igg?[lr]?)(?![a-zA-Z])", ""),
        (r"\\(?:text)?color\s*\{\w+\}", ""),
        (r"\\(?:bf|rm|it|sf|tt|[lL]arge|LARGE|[hH]uge|small|boldmath)(?![a-zA-Z])", ""),
        (r"\\\\\s*\[\s*-?[\d.]+\s*[a-z]+\s*\]", r"\\\\"),
        (r"\\[dtc]?frac(?![a-zA-Z])\s*", r"\\frac"),
        (r"\\frac(\\[a-zA-Z]+(?!\s*[{\[a-zA-Z])|[a-zA-Z0-9])", r"\\frac{\1}"),
        (r"\\frac(\{[^{}]*\})\s*(\\[a-zA-Z]+(?!\s*[{\[a-zA-Z])|[a-zA-Z0-9])", r"\\frac\1{\2}"),
        (r"\\sqrt\s*(\[[^\[\]]+\])\s*([a-zA-Z0-9])", r"\\sqrt\1{\2}"),
        (r"\{?\s*\b(\w+)\s*\\choose\s*(\w+)\s*\}?", r"\\binom{\1}{\2}"),
        (r"\{\s*([,:])\s*\}(?=\s*\d)", r"\1"),
        (r"\\colon(?![a-zA-Z])", ":"),
        (r"(?<=\d)(?:(?<!\\)\\[,!;: ]|~|\\thinspace\s?)\s?(?=\d{3}(?!\d))", ","),
        (r"(?<!\\)\\[,;:! ]|\\q?quad(?![a-zA-Z])|\\thinspace(?![a-zA-Z])|~", " "),
        (r"\\(?:lor|vee)(?![a-zA-Z])", " or "),
        (r"\\(?:land|wedge)(?![a-zA-Z])", " and "),
        (r"\\lbrack(?![a-zA-Z])", "["),
        (r"\\rbrack(?![a-zA-Z])", "]"),
        (r"\\textdollar(?![a-zA-Z])\s*", "$"),
        (r"\\cents?(?![a-zA-Z])", " cents"),
        (r"\\mathbb\s+([A-Z])(?![a-zA-Z])|\\([RZ])(?![a-zA-Z])", r"\\mathbb{\1\2}"),
        (r"(?<=[.\d])\s*\\(?:bar|dot)\s*(?=\{?\d)", r"\\overline"),
        (r"\\log_\s*(?:e|\{\s*e\s*\})", r"\\ln "),
        # the sine of 30 degrees is not that of 30
        (
            r"(\\?(?:sin|cos|tan|cot|sec|csc))\s*[({]?\s*(-?\d+(?:\.\d+)?)\s*"
            r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?\s*[)}]?",
            r"\1(\\frac{\2\\pi}{180})",
        ),
        (r"\\(?:leq|leqslant)(?![a-zA-Z])", r"\\le "),
        (r"\\(?:geq|geqslant)(?![a-zA-Z])", r"\\ge "),
        (r"\\lt(?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\(?:varnothing|emptyset)(?![a-zA-Z])|\\\{\s*\\\}", r"\\emptyset "),
        (r"\\(?:lbrace)(?![a-zA-Z])|\\\{", "⦃"),
        (r"\\(?:rbrace)(?![a-zA-Z])|\\\}", "⦄"),
        (r"\\langle(?![a-zA-Z])", "("),
        (r"\\rangle(?![a-zA-Z])", ")"),
        (r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree(?![a-zA-Z])", " degrees "),
        (r"\^\{?\s*(?:st|nd|rd|th)\s*\}?", ""),
        (r"\\%", "%"),
        (r"\s*\bper\s?cent\b|\s+percentage points?\b", "%"),
        (r"\\(?:mid|vert|lvert|rvert)(?![a-zA-Z])", "|"),
        (r"\\(?:ldots|dots|cdots)(?![a-zA-Z])", "..."),
        (r"\\[$]", "$"),
        (r"\\equiv(.*?)\(?\s*\\?p?mod\s*\{?\w+\}?\s*\)?", r"\\equiv\1"),
        (r"\b(?:negative|minus)\s+(?=[\d\\])", "-"),
        (r"(?<=\d) out of (?=\d)", "/"),
        (
            r"(?<=\S),?\s+(?:or\s+)?(?:about|approximately|approx\.?|roughly)\s+(?=\d)",
            r" \\approx ",
        ),
    ]
]
_WRAPPED = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|mbox|hbox|"
    r"textup|emph|operatorname\*?|boxed|fbox|underline|ensuremath)\s*(?=\{)"
)
_ALIGNED = re.compile(
    r"\\begin\{(?:aligned|align\*?|gathered|split|equation\*?)\}(.*?)"
    r"\\end\{(?:aligned|align\*?|gathered|split|equation\*?)\}",
    re.DOTALL,
)

_UNIT_FRACTION = re.compile(
    r"\\[dt]?frac\s*\{\s*\\(?:text|mathrm)\s*\{\s*([a-zA-Z ]+?)\s*\}\s*\}"
    r"\s*\{\s*\\(?:text|mathrm)\s*\{\s*([a-zA-Z ]+?)\s*\}\s*\}"
)
_CLOCK = re.compile(
    r"(?<![\d.:])(\d{1,2})(?:\s*:\s*(\d{2}))?\s*([aApP])(?:\s*\.\s*[mM]\b\.?|[mM]\b)"
)
_UNIT_ABROAD = re.compile(
    r"(?<=[\d}])\s*(?![万亿千百])[\u0400-\u04ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{1,10}\.?$"
)
_REPEATED = re.compile(r"([+-]?\d*\.\d*?)(?:(\d)\2{2,}|(\d{2,6}?)\3+)\s*\.\.\.")
_LEAD = re.compile(
    r"^(?:(?:(?:the|my|our)\s+)?(?:final\s+)?answer\s*(?:is\b|:|=)\s*:?\s*"
    r"|[a-z]{3,}(?: [a-z]+){0,2}:\s+(?=[-\d\\]))",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """Bring a mathematical answer into one spelling: LaTeX without layout, fonts or dollars."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda m: f"^{{{m[0].translate(_SUPERSCRIPTS)}}}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉]+", lambda m: f"_{{{m[0].translate(_SUBSCRIPTS)}}}", text)
    text = re.sub(r"√\s*(\d+|[a-zA-Z])", r"\\sqrt{\1}", text)
    text = re.sub(r"√\s*(?=\()", "sqrt", text)
    text = re.sub(r"\*\*(?=[^*]+\*\*)(.+?)\*\*$", r"\1", text.strip())
    text = text.translate(_TRANSLATION)
    text = _ALIGNED.sub(
        lambda m: re.split(r"\\\\(?:\[\w+\])?", m[1].strip().rstrip("\\"))[-1], text
    )
    text = re.sub(r"\\text\s*\{\s*([,:])\s*\}", r"{\1}", text)
    text = _UNIT_FRACTION.sub(r" \1/\2", text)
    while match := _WRAPPED.search(text):
        end = closing_brace(text, match.end())
        text = f"{text[: match.start()]} {text[match.end() + 1 : end]} {text[end + 1 :]}"
    matrix = "\\begin" in text
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    text = clocks(text)
    if not matrix:  # where it parts columns
        text = text.replace("&", " ")
    text = re.sub(r"\\[()\[\]](?![a-zA-Z0-9]*pt)", " ", text) if not matrix else text
    text = re.sub(rf"(^|[\s(=\-+,⦃]){_CURRENCY}\s*(?=[\d.])", r"\1", text)
    text = text.replace("$", " ").replace("`", " ").replace('"', " ")
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"^(?:=+>|[:=∴⇒→]|\\approx|\\implies|\\Rightarrow|\\therefore)\s*", "", text)
    text = _LEAD.sub("", text)
    text = _UNIT_ABROAD.sub("", text)
    text = _REPEATED.sub(r"\1\\overline{\2\3}", text)
    # an exclamation mark after a number may be a factorial
    text = re.sub(r"(?:[.,;:]|(?<![\d)}n!])!+|(?<!\\)\\\\?)+$", "", text).strip()
    return text.strip("*").strip() if not text.endswith("^*") else text


def clocks(text: str) -> str:
    """Write times of day in one way: ``6 P.M.`` is ``6:00 pm``."""
    return _CLOCK.sub(lambda m: f"{m[1]}:{m[2] or '00'} {m[3].lower()}m", text)


def latex(text: str) -> str:
    """Turn what people type into LaTeX: ``x**2``, ``sqrt(3)``, ``2*pi``, ``x^10``."""
    text = re.sub(
        r"\^\s*\{(-?\d*)\.(\d+)\}",
        lambda m: f"^{{\\frac{{{m[1]}{m[2]}}}{{{10 ** len(m[2])}}}}}",
        text,
    )
    text = text.replace("**", "^").replace("⦃", "\\{").replace("⦄", "\\}")
    text = re.sub(r"\^\s*(-?\d{2,}|-\d)", r"^{\1}", text)
    for match in reversed(list(re.finditer(r"\^\s*\(", text))):
        opening = match.end() - 1
        end = opening + closes(text[opening:])
        if end > opening:
            text = f"{text[: match.start()]}^{{{text[opening + 1 : end]}}}{text[end + 1 :]}"
    for match in reversed(list(re.finditer(r"(?<![\\a-zA-Z])sqrt\s*\(", text))):
        opening = match.end() - 1
        end = opening + closes(text[opening:])
        if end > opening:
            text = f"{text[: match.start()]}\\sqrt{{{text[opening + 1 : end]}}}{text[end + 1 :]}"
    text = re.sub(r"(?<![\\a-zA-Z])(?:infinity|inf|oo)(?![a-zA-Z])", r"\\infty ", text)
    text = re.sub(
        r"(?<![\\a-zA-Z])(arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|log|ln|exp|pi)(?![a-zA-Z])",
        r"\\\1 ",
        text,
    )
    text = text.replace("*", "\\cdot ")
    return re.sub(r"\s+", " ", text).strip()
