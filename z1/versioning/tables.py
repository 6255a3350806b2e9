"""Versions on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from z1.versioning.lineage import parents_of
from z1.versioning.versions import Version


def draw_versions(versions: Sequence[Version], newest_only: bool) -> None:
    """Print versions, a row each; or of each name the newest one and those that are in a stage."""
    table = Table()
    for column in ("version", "what", "stages", "published"):
        table.add_column(column, no_wrap=column != "what")
    seen: set[str] = set()
    for version in versions:
        if newest_only and version.name in seen and not version.stages:
            continue
        seen.add(version.name)
        table.add_row(
            str(version),
            escape("; ".join(_describe(version))),
            escape(", ".join(version.stages)),
            f"{version.created:%Y-%m-%d %H:%M}",
        )
    Console().print(table)


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
    return f"[bold]{version}[/]{escape(stages)}  {escape('; '.join(_describe(version)))}"


def _describe(version: Version) -> Iterator[str]:
    """Yield in words what a version is, how much it holds and how good it is."""
    if version.published is None:
        yield "not published by z1"
        return
    metrics: Mapping[str, Any] = version.metrics
    yield version.published.kind
    if "kept" in metrics:
        dropped = f", {metrics['dropped']:,} dropped" if metrics.get("dropped") else ""
        yield f"{metrics['kept']:,} {metrics.get('unit', 'rows')}{dropped}"
    ways = metrics.get("evaluation", {})
    sampled = next(iter(ways), "").partition(",")[0]  # rows at the first temperature suffice here
    for way, figures in ways.items():
        temperature, _, effort = way.partition(", ")
        if temperature == sampled:
            right = f"{figures['accuracy']:.1%} right at {figures['thinking_tokens']:,.1f} tokens"
            yield f"{effort} {right}".strip()
