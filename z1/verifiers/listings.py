"""Finding the pieces of Python in a reply: fenced blocks, and code without fences.

Models leave out fences, forget to close them, begin or end them within a line, and are cut off.
"""

import ast
import bisect
import itertools
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

_PYTHON = re.compile(r"\{?\.?(?:i?python|py|pypy|sage)[\d.]*\}?")
_WRAPPERS = ("markdown", "md")  # a whole reply may stand in one
_FENCE = re.compile(r"(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)")
_FENCE_LATE = re.compile(
    r"(?P<indent>)[^`]*[^`\s][ \t]*(?P<fence>```)(?P<info>(?:python|py)\d?)[ \t]*", re.IGNORECASE
)
_CLOSING = re.compile(r"[ \t>]*(?:`{3,}|~{3,})[ \t]*")
_FENCED = re.compile(r"^[ \t>]*(```|~~~).*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_LINE_OF_CODE = re.compile(
    r"(?:import|from|def|class|async def|if|for|while|try|with|print)\b|@\w|[A-Za-z_][\w, ]*="
)
_PROSE = re.compile(r"[A-Z#*>-].*\S[ \t]+\S+[ \t]+\S")
_MOST_STARTS, _MOST_TRIES = 200, 20
_MOST_ENDS = 4


class Listing(NamedTuple):
    """The content of a fenced block that may be Python."""

    source: str
    marked: bool
    """It is said to be Python."""
    closed: bool
    """The fence after it is there: it was not cut off."""


def fenced(text: str) -> Iterator[Listing]:
    """Yield the fenced blocks of a text that are not said to be of another language."""
    lines = text.splitlines()
    closings = [place for place, line in enumerate(lines) if _CLOSING.fullmatch(line)]
    number = 0
    while number < len(lines):
        opening = _FENCE.fullmatch(lines[number]) or _FENCE_LATE.fullmatch(lines[number])
        number += 1
        if not opening:
            continue
        language = opening["info"].strip().split(" ")[0].split(":")[0].casefold()
        if language in _WRAPPERS:
            continue
        python = not language or bool(_PYTHON.fullmatch(language))
        after = range(bisect.bisect_left(closings, number), len(closings))
        matching = (closings[n] for n in after if opening["fence"] in lines[closings[n]])
        ends = list(itertools.islice(matching, _MOST_ENDS))
        end = next(  # a fence may stand in a string of the program
            (
                end
                for end in ends
                if python and parse(_dedented(lines[number:end], opening["indent"]))
            ),
            None,
        )
        closed, following = bool(ends), end
        if end is None:
            end = following = ends[0] if ends else len(lines)
            begun = (place for place in range(number, end) if _begins(lines[place]))
            if (other := next(begun, None)) is not None:  # this one was never closed
                closed, end, following = False, other, other - 1
        if python:
            source = _dedented(lines[number:end], opening["indent"])
            yield Listing(_mended(source, closed), bool(language), closed)
        number = (end if following is None else following) + 1


def _begins(line: str) -> bool:
    fence = _FENCE.fullmatch(line)
    return bool(fence and fence["info"].strip())


def _mended(source: str, closed: bool) -> str:
    """Return a block without what does not belong to it: its fence at the end of a line, or, if
    the fence was forgotten, the prose that follows."""
    if parse(source):
        return source
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if line.rstrip().endswith("```") and line.rstrip(" `"):
            shorter = "\n".join([*lines[:number], line.rstrip(" `")]) + "\n"
            return shorter if parse(shorter) else source
    if not closed and (program := begin(lines)):
        rest = [line for line in lines[len(program.splitlines()) :] if line.strip()]
        if rest and _PROSE.match(rest[0]):
            return program
    return source


def _dedented(lines: list[str], indent: str) -> str:
    cut = [line.removeprefix(indent) for line in lines]
    filled = [len(line) - len(line.lstrip()) for line in cut if line.strip()]
    margin = min(filled, default=0)
    return "\n".join(line[margin:] for line in cut) + "\n"


def parse(source: str) -> ast.Module | None:
    """Return the syntax tree of a program, or None if it is none or empty."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            compile(tree, "program.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return tree if tree.body else None


def unfenced(text: str) -> Iterator[str]:
    """Yield pieces of the text outside of fences that are programs, each from a line that looks
    like code on."""
    text = _FENCED.sub("", text)
    if parse(text):
        yield text
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if _LINE_OF_CODE.match(line)]
    for start in starts[:_MOST_STARTS]:
        if source := begin(lines[start:]):
            yield source


def begin(lines: list[str]) -> str | None:
    """Return the longest program that some lines begin with: up to the line that is an error."""
    for _ in range(_MOST_TRIES):
        source = "\n".join(lines) + "\n"
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            lines = lines[: min(error.lineno or len(lines), len(lines)) - 1]
            continue
        except (ValueError, RecursionError, MemoryError):
            return None
        # "Time: O(n)" and "- a list" after a program are prose, and parse.
        while tree.body and _does_nothing(tree.body[-1]):
            lines = lines[: tree.body.pop().lineno - 1]
        return "\n".join(lines) + "\n"
    return None


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Expr) and not isinstance(
        statement.value, ast.Call | ast.Await | ast.ListComp
    )
