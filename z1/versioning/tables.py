"""Versions on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from z1.versioning.lineage import parents_of
from z1.versioning.versions import Version

_PIPE_WIDTH = 160


def draw_versions(versions: Sequence[Version], newest_only: bool) -> None:
    """Print versions, a row each; or of each name the newest one and those that are in a stage."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("version", overflow="fold")
    table.add_column("what", no_wrap=True)
    table.add_column("figures", min_width=20)
    table.add_column("stages", overflow="fold")
    table.add_column("published", no_wrap=True, min_width=10)
    seen: set[str] = set()
    for version in versions:
        if newest_only and version.name in seen and not version.stages:
            continue
        seen.add(version.name)
        table.add_row(
            str(version),
            version.published.kind if version.published else "",
            escape(_choice(version)),
            escape(", ".join(version.stages)),
            f"{version.created:%Y-%m-%d}",
        )
    console = Console()
    if not versions:
        console.print("no versions yet")
        return
    if not console.is_terminal:  # it breaks no lines for other programs
        console.width = max(console.width, _PIPE_WIDTH)
    console.print(table)


def draw_lineage(ancestors: Sequence[Version]) -> None:
    """Print a version, the first one, and its ancestors as a tree.

    What comes again is not spread out again.
    """
    known = {str(each): each for each in ancestors}
    shown: set[str] = set()

    def grow(tree: Tree, version: Version) -> None:
        assert version.published is not None  # only versions of which that is known have ancestors
        shown.add(str(version))
        for parent in (parent.version for parent in parents_of(version)):
            if parent in shown:
                tree.add(f"{parent}, as above")
            else:
                grow(tree.add(_line(known[parent])), known[parent])
        for role, origin in version.published.origins.items():
            tree.add(escape(f"{role}: {origin}"))

    root = ancestors[0]
    tree = Tree(_line(root))
    grow(tree, root)
    console = Console()
    if root.published is not None:
        console.print(f"recipe {root.published.recipe}, {root.created:%Y-%m-%d %H:%M}")
    console.print(tree)


def _line(version: Version) -> str:
    stages = f" ({', '.join(version.stages)})" if version.stages else ""
    told = [*_describe(version), *_describe_skill(version)]
    return f"[bold]{version}[/]{escape(stages)}  {escape('; '.join(told))}"


def _describe(version: Version) -> Iterator[str]:
    """Yield in words what a version is and how much it holds."""
    if version.published is None:
        yield "not published by z1"
        return
    metrics: Mapping[str, Any] = version.metrics
    yield version.published.kind
    if "kept" in metrics:
        dropped = f", {metrics['dropped']:,} dropped" if metrics.get("dropped") else ""
        yield f"{metrics['kept']:,} {metrics.get('unit', 'rows')}{dropped}"


def _describe_skill(version: Version) -> Iterator[str]:
    """Yield in words how good a model is at each effort."""
    for effort, figures in _skill(version).items():
        right = f"{figures['accuracy']:.1%} right at {figures['thinking_tokens']:,.1f} tokens"
        yield f"{effort} {right}".strip()


def _choice(version: Version) -> str:
    """Return in words what people choose by: a model's skill, or how much something else holds.

    Of a model with several efforts it is the range of theirs.
    """
    skill = _skill(version).values()
    if not skill:
        return "; ".join([*_describe(version)][-1:])

    def span(name: str, form: str) -> str:
        figures = [each[name] for each in skill]
        return " to ".join(dict.fromkeys(format(f(figures), form) for f in (min, max)))

    return f"{span('accuracy', '.1%')} right at {span('thinking_tokens', ',.1f')} tokens"


def _skill(version: Version) -> dict[str, Any]:
    """Return a model's figures by effort, "" where it has none, at the first temperature."""
    ways = version.metrics.get("evaluation", {}) if version.published else {}
    first = next(iter(ways), "").partition(",")[0]
    by_way = {way.partition(", "): figures for way, figures in ways.items()}
    return {effort: figures for (at, _, effort), figures in by_way.items() if at == first}
