"""Finding the program that a reply settles on.

It is the last fenced block of Python that fits what is asked for. Replies also hold drafts, usage
examples, tests and sample output; what tells them apart is what they define, read and print.
"""

import ast
import builtins
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from z1.verifiers.extract import spoken
from z1.verifiers.listings import fenced, parse, unfenced

_READS = {"input", "stdin", "fileinput"}
_OPENS_INPUT = re.compile(r"open\(\s*(?:0|['\"]/dev/stdin)")
_GIVES_INPUT = re.compile(r"sys\.stdin\s*=\s*(?:io\.)?StringIO\(")
_LONGEST_REPLY = 1_000_000
_OF_SIMILAR_LENGTH = 0.7


class Wanted(NamedTuple):
    """What a program has to be."""

    names: frozenset[str] = frozenset()
    """Functions or classes that it defines, one of them at least; none for a script."""
    owner: str | None = None
    """A class whose method may stand for a function."""


@dataclass
class _Block:
    """A piece of a reply that is Python."""

    text: str
    marked: bool
    """It is said to be Python."""
    tree: ast.Module
    defines: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    """Functions that begin with ``self``: methods that are shown without their class."""
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
    blocks: list[_Block] = []
    broken: list[tuple[int, str]] = []
    for source, marked, closed in fenced(text):
        if (block := _block(source, marked)) is not None:
            blocks.append(block)
        elif marked and closed:
            broken.append((len(blocks), source))
    if (found := _choose(blocks, wanted)) is not None:
        place, program = found
        last = [source for after, source in broken if after > place]
        return None if any(_replaces(source, program, wanted) for source in last) else program
    for source in unfenced(text):
        block = _block(source, False)
        if block is not None and _is_code(block) and _fit([block], wanted):
            return source
    return None


def _choose(blocks: list[_Block], wanted: Wanted) -> tuple[int, str] | None:
    """Return the place of the block that a reply settles on, and it with all that it needs."""
    best, chosen, parts = -1, -1, []
    for number, block in enumerate(blocks):
        earlier = _needed(block, blocks[:number], wanted.names)
        if (fit := _fit([*earlier, block], wanted)) is None or fit < best:
            continue
        complete = bool(earlier) and (_fit(earlier[-1:], wanted) or 0) >= max(fit, 1)
        if complete and not (wanted.names and _fit([block], wanted)):
            continue  # a trial of the program before it
        best, chosen, parts = fit, number, [*earlier, block]
    if not parts:
        return None
    parts = [*_added(parts, blocks[chosen + 1 :]), *parts]
    return chosen, "\n\n".join(part.text for part in parts)


def _replaces(source: str, program: str, wanted: Wanted) -> bool:
    """Tell whether a block that is not Python was meant to be the program, and is no excerpt."""
    if len(source.split()) < _OF_SIMILAR_LENGTH * len(program.split()):
        return False
    if wanted.names:
        return any(re.search(rf"\b(?:def|class)\s+{name}\b", source) for name in wanted.names)
    return bool(re.search(r"\bprint\b|stdout", source) and re.search(r"\binput\b|stdin", source))


def _fit(parts: list[_Block], wanted: Wanted) -> int | None:
    """Return how well a program fits, or None if it cannot be meant."""
    if wanted.names:
        defined = set().union(*(part.defines - part.loose for part in parts))
        if wanted.owner in defined:
            defined |= set().union(*(part.methods for part in parts))
        loose = set().union(*(part.loose for part in parts)) - defined
        return 2 * len(defined & wanted.names) + len(loose & wanted.names) or None
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


def _added(parts: list[_Block], later: list[_Block]) -> list[_Block]:
    """Return the later blocks of mere definitions that a program still lacks."""
    lacks = set().union(*(part.needs for part in parts))
    lacks -= set().union(*(part.defines for part in parts))
    found = []
    for other in later:
        if not other.acts and lacks & other.defines:
            found.append(other)
            lacks -= other.defines
    return found


def free_names(code: str) -> frozenset[str]:
    """Return the names that a piece of Python uses and does not define."""
    block = _block(code, True)
    return frozenset(block.needs) if block else frozenset()


# ---------------------------------------------------------------- blocks


def _is_code(block: _Block) -> bool:
    """Tell code from prose that happens to parse, such as a single word."""
    return bool(block.defines) or block.prints or block.reads


def _block(source: str, marked: bool) -> _Block | None:
    tree = parse(source)
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
    block.reads &= not _GIVES_INPUT.search(source)  # a trial that brings its own
    block.prints |= "print" in loaded
    for statement in tree.body:
        _note(statement, block)
    return block


def _note(statement: ast.stmt, block: _Block) -> None:
    """Note what a statement of the outermost level defines, and whether it acts."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        block.defines.add(statement.name)
        if statement.args.args and statement.args.args[0].arg == "self":
            block.loose.add(statement.name)
    elif isinstance(statement, ast.ClassDef):
        block.defines.add(statement.name)
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
        for inner in ast.walk(statement) if isinstance(statement, ast.If | ast.Try) else ():
            if isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
                _note(inner, block)
        calls = any(isinstance(node, ast.Call) for node in ast.walk(statement))
        block.acts |= calls or isinstance(statement, ast.For | ast.While | ast.With | ast.Raise)
