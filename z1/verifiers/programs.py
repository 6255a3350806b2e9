"""Finding the program that a reply settles on.

It is the last fenced block of Python that fits what is asked for. Replies also hold drafts, usage
examples, tests and sample output; what tells them apart is what they define, read and print.
"""

import ast
import bisect
import builtins
import itertools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from z1.verifiers.extract import spoken

_PYTHON = re.compile(r"\{?\.?(?:i?python|py|pypy|sage)[\d.]*\}?")
_FENCE = re.compile(r"(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)")
_CLOSING = re.compile(r"[ \t>]*(?:`{3,}|~{3,})[ \t]*")
_LINE_OF_CODE = re.compile(
    r"(?:import|from|def|class|async def|if|for|while|try|with|print)\b|@\w|[A-Za-z_][\w, ]*="
)
_READS = {"input", "stdin", "fileinput"}
_OPENS_INPUT = re.compile(r"open\(\s*(?:0|['\"]/dev/stdin)")
_MOST_STARTS, _MOST_TRIES = 200, 20
_MOST_ENDS = 4
_LONGEST_REPLY = 1_000_000


class Wanted(NamedTuple):
    """What a program has to be."""

    names: frozenset[str] = frozenset()
    """Functions or classes that it defines, one of them at least; none for a script."""
    methods: bool = False
    """A method of a class may stand for a function."""


@dataclass
class _Block:
    """A piece of a reply that is Python."""

    text: str
    marked: bool
    """It is said to be Python."""
    tree: ast.Module
    defines: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    acts: bool = False
    """It does something when it is run, and not only defines."""
    reads: bool = False
    prints: bool = False


def find_program(reply: str, wanted: Wanted) -> str | None:
    """Return the program that a reply settles on, or None if it holds none.

    Raises nothing: what is no program is no answer.
    """
    text = spoken(reply[-_LONGEST_REPLY:].replace("\ufeff", ""), _LONGEST_REPLY)
    blocks, fenced = [], False
    for source, marked in _fenced(text):
        fenced = True
        if (block := _block(source, marked)) is not None:
            blocks.append(block)
    if not blocks and not fenced:
        blocks = [block for block in [_unfenced(text, wanted)] if block]
    return _choose(blocks, wanted)


def _choose(blocks: list[_Block], wanted: Wanted) -> str | None:
    best, chosen = -1, None
    for number, block in enumerate(blocks):
        earlier = _needed(block, blocks[:number], wanted.names)
        if (fit := _fit([*earlier, block], wanted)) is None or fit < best:
            continue
        if earlier and _fit(earlier[-1:], wanted) and not (wanted.names and _fit([block], wanted)):
            continue  # a trial of the program before it
        best, chosen = fit, "\n\n".join(part.text for part in [*earlier, block])
    return chosen


def _fit(parts: list[_Block], wanted: Wanted) -> int | None:
    """Return how well a program fits, or None if it cannot be meant."""
    if wanted.names:
        defined = set().union(*(part.defines for part in parts))
        if wanted.methods:
            defined |= set().union(*(part.methods for part in parts))
        return len(defined & wanted.names) or None
    if not any(part.acts for part in parts):
        return 0 if any(part.defines for part in parts) else None
    reads = any(part.reads for part in parts)
    prints = any(part.prints for part in parts)
    if not (reads or prints):
        return 0 if any(part.marked for part in parts) else None
    return 1 + 2 * prints + reads


def _needed(block: _Block, earlier: list[_Block], wanted: frozenset[str]) -> list[_Block]:
    """Return the earlier blocks that define what a block lacks, in order.

    It lacks what it uses and does not define; and the rest of what is wanted, if it has some of it.
    """
    needs, found = set(block.needs), []
    if block.defines & wanted:
        needs |= wanted - block.defines
    for other in reversed(earlier):
        if needs & other.defines:
            found.append(other)
            needs = (needs - other.defines) | other.needs
    return found[::-1]


def free_names(code: str) -> frozenset[str]:
    """Return the names that a piece of Python uses and does not define."""
    block = _block(code, True)
    return frozenset(block.needs) if block else frozenset()


# ---------------------------------------------------------------- blocks


def _fenced(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the content of each fenced block that may be Python, and whether it is said to be."""
    lines = text.splitlines()
    closings = [place for place, line in enumerate(lines) if _CLOSING.fullmatch(line)]
    number = 0
    while number < len(lines):
        opening = _FENCE.fullmatch(lines[number])
        number += 1
        if not opening:
            continue
        after = range(bisect.bisect_left(closings, number), len(closings))
        matching = (closings[n] for n in after if opening["fence"] in lines[closings[n]])
        ends = list(itertools.islice(matching, _MOST_ENDS))
        language = opening["info"].strip().split(" ")[0].split(":")[0].casefold()
        if language and not _PYTHON.fullmatch(language):
            number = ends[0] + 1 if ends else len(lines)
            continue
        chosen = ends[0] if ends else len(lines)
        for end in ends:  # a fence may stand in a string of the program
            if _parse(_dedented(lines[number:end], opening["indent"])):
                chosen = end
                break
        yield _dedented(lines[number:chosen], opening["indent"]), bool(language)
        number = chosen + 1


def _dedented(lines: list[str], indent: str) -> str:
    cut = [line.removeprefix(indent) for line in lines]
    filled = [len(line) - len(line.lstrip()) for line in cut if line.strip()]
    margin = min(filled, default=0)
    return "\n".join(line[margin:] for line in cut) + "\n"


def _parse(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            compile(tree, "program.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return tree if tree.body else None


def _unfenced(text: str, wanted: Wanted) -> _Block | None:
    """Return the longest run of lines from one that looks like code on, that is a program."""
    if (block := _block(text, False)) is not None and _is_code(block):
        return block
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if _LINE_OF_CODE.match(line)]
    for start in starts[:_MOST_STARTS]:
        if source := _program_at_start(lines[start:]):
            block = _block(source, False)
            if block is not None and _is_code(block) and _fit([block], wanted):
                return block
    return None


def _program_at_start(lines: list[str]) -> str | None:
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


def _is_code(block: _Block) -> bool:
    """Tell code from prose that happens to parse, such as a single word."""
    return bool(block.defines) or block.prints or block.reads


def _block(source: str, marked: bool) -> _Block | None:
    tree = _parse(source)
    if tree is None:
        return None
    block = _Block(source, marked, tree)
    bound: set[str] = set()
    loaded: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            bound.add(node.name or "")
        elif isinstance(node, ast.Attribute):
            block.reads |= node.attr in _READS or node.attr == "read"
            block.prints |= node.attr in ("write", "stdout", "writelines")
    block.needs = {name for name in loaded - bound if not hasattr(builtins, name)}
    block.reads |= bool(loaded & _READS) or ("open" in loaded and bool(_OPENS_INPUT.search(source)))
    block.prints |= "print" in loaded
    for statement in tree.body:
        _note(statement, block)
    return block


def _note(statement: ast.stmt, block: _Block) -> None:
    """Note what a statement of the outermost level defines, and whether it acts."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        block.defines.add(statement.name)
    elif isinstance(statement, ast.ClassDef):
        block.defines.add(statement.name)
        if statement.name == "Solution":
            block.methods |= {
                node.name
                for node in statement.body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        block.defines |= {
            (alias.asname or alias.name).partition(".")[0] for alias in statement.names
        }
    else:
        stored = {
            node.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        block.defines |= stored
        calls = any(isinstance(node, ast.Call) for node in ast.walk(statement))
        block.acts |= calls or isinstance(statement, ast.For | ast.While | ast.With | ast.Raise)
