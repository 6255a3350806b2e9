"""The figures of the page: SVG text that takes its colours and its typeface from the page.

Matplotlib knows no CSS, so each colour is drawn as a stand-in value and replaced by a variable
of the page's style sheet. That is how one figure suits light, dark and print. Text stays text.
Each figure comes in two widths, of which the page shows the one that fits.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from z1.evaluation import MODELS
from z1.evaluation.metrics import natural_key
from z1.evaluation.report import label

Model = Mapping[str, Any]

INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
_COLOURS = {name: f"#05050{place}" for place, name in enumerate(MODELS)}
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    **{colour: f"model-{name}" for name, colour in _COLOURS.items()},
}
_MARKERS = dict(zip(MODELS, ("X", "s", "D", "o", "^", "v"), strict=True))
_DASHES = {"low": (0, (1, 1.6)), "medium": (0, (4, 1.8)), "high": "solid", None: "solid"}
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "text.parse_math": False,  # a label with a dollar sign is no formula
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": "none",
    "figure.dpi": 72,  # so that a pixel of the layout is a unit of the SVG
}
WIDE, NARROW = (840, 460), (380, 420)
"""Width and height of the two versions, in pixels."""

_GAP_WORTH_A_CUT = 15.0  # points of accuracy that no model falls into


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Return the area that two rectangles share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


def tradeoff(models: Sequence[Model], size: tuple[int, int]) -> str:
    """Draw accuracy against thinking tokens, a labelled point with error bars for each model.

    Where one group of models lies far below the others, the accuracy axis is cut in two, so
    that the differences at the top stay readable.
    """
    from matplotlib import rc_context

    with rc_context({**_STYLE, "svg.hashsalt": f"tradeoff-{size}"}):
        figure = _draw_tradeoff(models, size)
        return _svg(figure, "Accuracy against thinking tokens of every model")


def _draw_tradeoff(models: Sequence[Model], size: tuple[int, int]) -> Any:
    figure = _figure(size)
    bands = _bands([100 * model["accuracy"] for model in models])
    inside = [[m for m in models if low <= 100 * m["accuracy"] <= high] for low, high in bands]
    # Each band is as high as it has points to tell apart, within reason.
    shares = [min(max(len(group) / len(models), 0.25), 0.75) for group in inside]
    panels = figure.subplots(
        len(bands), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": shares}
    )[:, 0]
    left = 46 / size[0]
    figure.subplots_adjust(left=left, right=0.985, top=0.925, bottom=56 / size[1], hspace=0.1)
    widest = max(model["thinking_tokens"] for model in models)
    for axes, group, band in zip(panels, inside, bands, strict=True):
        _dress(axes)
        for model in group:
            colour = _COLOURS.get(model["name"], MUTED)
            axes.errorbar(
                model["thinking_tokens"],
                100 * model["accuracy"],
                xerr=model["thinking_tokens_stderr"] or 0,
                yerr=100 * (model["accuracy_stderr"] or 0),
                color=colour,
                marker=_MARKERS.get(model["name"], "o"),
                markersize=9,
                markeredgecolor=PAPER,
                elinewidth=1.6,
                zorder=4,
            )
        axes.set_ylim(_limits(group, band, len(bands)))
        axes.set_xlim(0, widest * 1.12 or 1)
        axes.set_yticks(_ticks(axes, 6 if len(group) > 2 else 2, 100))
    _join_efforts(panels, models)
    for upper, lower in pairwise(panels):
        _cut(upper, lower)
    panels[-1].set_xlabel("Mean thinking tokens of a reply", labelpad=8)
    figure.text(6 / size[0], 0.965, "Accuracy, %", color=MUTED)
    figure.canvas.draw()
    for axes, group in zip(panels, inside, strict=True):
        _label_points(axes, group)
    return figure


def by_difficulty(models: Sequence[Model], figure_of: str, size: tuple[int, int]) -> str:
    """Draw ``thinking_tokens`` or ``accuracy`` by difficulty, a labelled line for each model."""
    from matplotlib import rc_context

    scale = 100 if figure_of == "accuracy" else 1
    title = "Accuracy, %" if figure_of == "accuracy" else "Mean thinking tokens of a reply"
    names = {name for model in models for name in model["by_difficulty"]}
    labels = sorted(names, key=natural_key)
    ticks, unit = _short_labels(labels)
    crowded = 9 * sum(map(len, ticks)) > size[0] - 170  # pixels, about
    with rc_context({**_STYLE, "svg.hashsalt": f"{figure_of}-{size}"}):
        figure = _figure(size)
        axes = figure.subplots()
        figure.subplots_adjust(
            left=46 / size[0],
            right=1 - 112 / size[0],
            top=0.915,
            bottom=(56 + 60 * crowded) / size[1],
        )
        _dress(axes)
        ends = []
        for model in models:
            strata = model["by_difficulty"]
            places = [place for place, name in enumerate(labels) if name in strata]
            values = [scale * strata[labels[place]][figure_of] for place in places]
            if not places:
                continue
            axes.plot(
                places,
                values,
                color=_COLOURS.get(model["name"], MUTED),
                linestyle=_DASHES[model["effort"]],
                linewidth=2.6 if model["name"] == "tops" else 1.8,
                marker=_MARKERS.get(model["name"], "o"),
                markersize=7,
                markeredgecolor=PAPER,
                zorder=4 if model["name"] == "tops" else 3,
            )
            ends.append((values[-1], places[-1], model))
        turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
        axes.set_xticks(range(len(labels)), ticks, **turned)
        axes.set_ylim(bottom=0)
        if figure_of == "accuracy":
            axes.set_ylim(0, 104)
        axes.set_yticks(_ticks(axes, 6, 100 if figure_of == "accuracy" else math.inf))
        axes.set_xlabel(f"Difficulty ({unit})" if unit else "Difficulty", labelpad=8)
        figure.text(6 / size[0], 0.96, title, color=MUTED)
        figure.canvas.draw()
        _label_ends(axes, ends, size)
        return _svg(figure, f"{title}, by difficulty")


def _figure(size: tuple[int, int]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / 72, size[1] / 72))
    FigureCanvasAgg(figure)  # measures text, which placing the labels needs
    return figure


def _dress(axes: Any) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=7)


def _short_labels(labels: Sequence[str]) -> tuple[list[str], str]:
    """Take the words all labels share out of them: ``2 terms``, ``3 terms`` are 2, 3 ``terms``."""
    found = [re.fullmatch(r"(\D*)(\d+)(\D*)", text) for text in labels]
    words = {(match[1].strip(), match[3].strip()) for match in found if match}
    if len(words) != 1 or None in found:
        return list(labels), ""
    return [match[2] for match in found if match], " … ".join(filter(None, words.pop()))


def _bands(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the ranges of accuracy to draw, from the top: one, or two around a wide gap."""
    ordered = sorted(values)
    gaps = [high - low for low, high in pairwise(ordered)]
    if not gaps or max(gaps) < max(_GAP_WORTH_A_CUT, (ordered[-1] - ordered[0]) / 2):
        return [(ordered[0], ordered[-1])]
    place = gaps.index(max(gaps))
    return [(ordered[place + 1], ordered[-1]), (ordered[0], ordered[place])]


def _limits(group: Sequence[Model], band: tuple[float, float], bands: int) -> tuple[float, float]:
    """Return the axis limits around a band, with its error bars and room for the labels."""
    errors = [100 * (model["accuracy_stderr"] or 0) for model in group]
    low, high = band[0] - max(errors), band[1] + max(errors)
    room = max(0.18 * (high - low), 1.0 if bands == 1 else 1.5)
    return max(low - 2 * room, -room), high + room


def _ticks(axes: Any, most: int, highest: float = math.inf) -> list[float]:
    """Return round ticks within the axis, none above ``highest``."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_ylim()
    ticks = MaxNLocator(most).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= min(high, highest)]


def _cut(upper: Any, lower: Any) -> None:
    """Mark that the axis between two panels is cut."""
    upper.spines["bottom"].set_visible(False)
    slashes = {"marker": [(-1, -0.6), (1, 0.6)], "markersize": 10, "color": MUTED, "clip_on": False}
    upper.plot([0], [0], transform=upper.transAxes, linestyle="none", mew=1.4, **slashes)
    lower.plot([0], [1], transform=lower.transAxes, linestyle="none", mew=1.4, **slashes)


def _join_efforts(panels: Any, models: Sequence[Model]) -> None:
    """Draw a thin line through the efforts of the tag model, in every panel."""
    tagged = [model for model in models if model["effort"] is not None]
    for axes in panels:
        limits = axes.get_ylim()
        axes.plot(
            [model["thinking_tokens"] for model in tagged],
            [100 * model["accuracy"] for model in tagged],
            color=_COLOURS["tag"],
            linewidth=1,
            alpha=0.45,
            zorder=2,
        )
        axes.set_ylim(limits)


def _label_points(axes: Any, models: Sequence[Model]) -> None:
    """Write each point's name beside it, as near as it finds room, with a line where it is far."""
    frame = axes.get_window_extent()
    bounds = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    centres = [
        axes.transData.transform((model["thinking_tokens"], 100 * model["accuracy"]))
        for model in models
    ]
    taken = [box for model in models for box in _whiskers(axes, model)]
    lines: list[tuple[Any, Any]] = []
    renderer = axes.figure.canvas.get_renderer()
    for model, centre in zip(models, centres, strict=True):
        strong = "bold" if model["name"] == "tops" else "normal"
        text = axes.text(
            0, 0, label(model), transform=None, fontweight=strong, ha="center", va="center"
        )
        text.set_zorder(6)
        extent = text.get_window_extent(renderer)
        spot, box = _find_room(centre, extent.width, extent.height, bounds, taken, lines)
        text.set_transform(axes.transData)
        text.set_position(axes.transData.inverted().transform(spot))
        taken.append(box)
        nearest = np.clip(centre, (box.left, box.bottom), (box.right, box.top))
        lines.append((centre, nearest))
        if np.hypot(*(nearest - centre)) > 13:
            ends = axes.transData.inverted().transform([centre, nearest])
            axes.plot(*ends.T, color=MUTED, linewidth=0.8, zorder=1.5)


def _whiskers(axes: Any, model: Model) -> list[Box]:
    """Return the rectangles that a point's marker and its two error bars take up."""
    x, across = model["thinking_tokens"], model["thinking_tokens_stderr"] or 0
    y, up = 100 * model["accuracy"], 100 * (model["accuracy_stderr"] or 0)
    left, low = axes.transData.transform((x - across, y - up))
    right, high = axes.transData.transform((x + across, y + up))
    x, y = axes.transData.transform((x, y))
    return [
        Box(x - 7, y - 7, x + 7, y + 7),
        Box(x - 2, low - 1, x + 2, high + 1),
        Box(left - 1, y - 2, right + 1, y + 2),
    ]


def _find_room(
    centre: Any,
    width: float,
    height: float,
    bounds: Box,
    taken: Sequence[Box],
    lines: Sequence[tuple[Any, Any]],
) -> tuple[Any, Box]:
    """Return the cheapest place for a label: near its point, on nothing, across no other's line."""
    best: tuple[float, Any, Box] | None = None
    others = [box for box in taken if not _meet((centre, centre), box)]
    for distance in (11, 18, 28, 40, 54, 70, 90, 115):
        for angle in np.arange(0, 360, 15):
            toward = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
            spot = centre + toward * (distance + np.abs(toward) * (width / 2, height / 2))
            half = np.array([width / 2 + 2, height / 2 + 1])
            box = Box(*(spot - half), *(spot + half))
            if box.left < bounds.left or box.right > bounds.right:
                continue
            if box.bottom < bounds.bottom or box.top > bounds.top:
                continue
            cost = distance + 100 * sum(map(box.overlap, taken))
            if best is not None and cost >= best[0]:
                continue
            nearest = np.clip(centre, box[:2], box[2:])
            cost += 60 * sum(_meet(line, box) for line in lines)
            cost += 60 * sum(_meet((centre, nearest), other) for other in others)
            if best is None or cost < best[0]:
                best = cost, spot, box
    if best is None:  # no room at all: the panel is smaller than the label
        box = Box(centre[0] - width / 2, centre[1], centre[0] + width / 2, centre[1] + height)
        return centre, box
    return best[1], best[2]


def _meet(line: tuple[Any, Any], box: Box) -> bool:
    """Tell whether a line touches a rectangle, looking at points along it."""
    along = line[0] + np.linspace(0, 1, 24)[:, None] * (np.asarray(line[1]) - line[0])
    x, y = along[:, 0], along[:, 1]
    inside = (x > box.left) & (x < box.right) & (y > box.bottom) & (y < box.top)
    return bool(inside.any())


def _label_ends(axes: Any, ends: Sequence[tuple[float, int, Model]], size: tuple[int, int]) -> None:
    """Write each line's name at its right end, pushed apart where two would touch."""
    if not ends:
        return
    spacing = 17.0
    ends = sorted(ends, key=lambda end: end[0])
    wanted = [float(axes.transData.transform((place, value))[1]) for value, place, _ in ends]
    frame = axes.get_window_extent()
    heights = _spread(wanted, spacing, frame.y0 + 6, frame.y1)
    to_data = axes.transData.inverted()
    for height, (value, place, model) in zip(heights, ends, strict=True):
        x, y = axes.transData.transform((place, value))
        strong = "bold" if model["name"] == "tops" else "normal"
        at = to_data.transform((size[0] - 101, height))
        axes.text(*at, label(model), va="center", fontweight=strong, clip_on=False)
        line = to_data.transform([(x + 6, y), (size[0] - 104, height)])
        colour = _COLOURS.get(model["name"], MUTED)
        axes.plot(*line.T, color=colour, linewidth=0.8, alpha=0.7, clip_on=False, zorder=1)


def _spread(wanted: Sequence[float], spacing: float, lowest: float, highest: float) -> list[float]:
    """Move ascending heights as little as needed so that they are ``spacing`` apart.

    Heights that would touch become a block, which is centred on the mean of what they wanted.
    """
    room = max(highest, lowest + spacing * (len(wanted) - 1))
    blocks: list[tuple[float, int]] = []  # lowest height and number of members
    for height in wanted:
        start, members = height, 1
        while True:
            start = min(max(start, lowest), room - spacing * (members - 1))
            if not blocks or blocks[-1][0] + spacing * blocks[-1][1] <= start:
                break
            below, count = blocks.pop()
            # Both blocks move to where all their members together are nearest to their wishes.
            start = (below * count + (start - spacing * count) * members) / (count + members)
            members += count
        blocks.append((start, members))
    return [start + spacing * place for start, members in blocks for place in range(members)]


def _svg(figure: Any, title: str) -> str:
    """Return a figure as an SVG element that the page's style sheet colours."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # Ids of plain groups repeat from figure to figure; nothing refers to them.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--sans)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
