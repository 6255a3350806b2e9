"""What the figures of the page have in common: colours, axes, and labels that find their place.

Figures are SVG text that takes its colours and its typeface from the page. Matplotlib knows no CSS,
so each colour is drawn as a stand-in value and replaced by a variable of the page's style sheet.
That is how one figure suits light, dark and print. Text stays text. Each figure comes in two
widths, of which the page shows the one that fits.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from z1.evaluation import MODELS
from z1.evaluation.budgets import CURVES

Point = Mapping[str, Any]
"""A model or a row of the budgets: ``accuracy``, ``thinking_tokens`` and their errors."""

INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
COLOURS = {
    name: f"#05050{place}"
    for place, name in enumerate(dict.fromkeys([*MODELS, *(model for model, _ in CURVES)]))
}
"""Stand-in colour of each model; the page's ``--model-NAME`` takes its place."""
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    **{colour: f"model-{name}" for name, colour in COLOURS.items()},
}
MARKERS = dict(zip(MODELS, ("X", "s", "D", "o", "^", "v", "o", "P"), strict=True))
STYLE = {
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


class End(NamedTuple):
    """Where a line ends, and what is written beside it."""

    x: float
    y: float
    text: str
    colour: str
    strong: bool
    ink: str = INK


def make_figure(size: tuple[int, int]) -> Any:
    """Return an empty figure of a size in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / 72, size[1] / 72))
    FigureCanvasAgg(figure)  # measures text, which placing the labels needs
    return figure


def dress(axes: Any) -> None:
    """Leave of the axes' lines the lower one and a grid of heights."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=7)


def make_ticks(axes: Any, most: int, highest: float = math.inf) -> list[float]:
    """Return round ticks within the axis, none above ``highest``."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_ylim()
    ticks = MaxNLocator(most).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= min(high, highest)]


def label_points(
    axes: Any,
    points: Sequence[Point],
    texts: Sequence[str],
    size: float = 13,
    lines: Sequence[tuple[Any, Any]] = (),
    colours: Sequence[str] = (),
) -> None:
    """Write each point's text beside it, as near as it finds room, with a line where it is far.

    ``lines`` are pairs of ends, in pixels, that no text should lie on; ``colours`` are those of
    the texts, if they are not the ink's.
    """
    frame = axes.get_window_extent()
    bounds = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    centres = [
        axes.transData.transform((point["thinking_tokens"], 100 * point["accuracy"]))
        for point in points
    ]
    taken = [box for point in points for box in _whiskers(axes, point)]
    lines = list(lines)
    renderer = axes.figure.canvas.get_renderer()
    inks = colours or [INK] * len(points)
    for point, words, centre, ink in zip(points, texts, centres, inks, strict=True):
        text = axes.text(0, 0, words, transform=None, fontsize=size, ha="center", va="center")
        weight = "bold" if point.get("name") == "tops" else "normal"
        text.set(zorder=6, fontweight=weight, color=ink)
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


def _whiskers(axes: Any, point: Point) -> list[Box]:
    """Return the rectangles that a point's marker and its two error bars take up."""
    x, across = point["thinking_tokens"], point["thinking_tokens_stderr"] or 0
    y, up = 100 * point["accuracy"], 100 * (point["accuracy_stderr"] or 0)
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


def label_ends(axes: Any, ends: Sequence[End], size: tuple[int, int], room: float = 101) -> None:
    """Write each line's name at its right end, pushed apart where two would touch.

    ``room`` is how far from the right edge the names begin, in pixels.
    """
    if not ends:
        return
    spacing = 17.0
    ends = sorted(ends, key=lambda end: end.y)
    wanted = [float(axes.transData.transform((end.x, end.y))[1]) for end in ends]
    frame = axes.get_window_extent()
    heights = spread(wanted, spacing, frame.y0 + 6, frame.y1)
    to_data = axes.transData.inverted()
    for height, end in zip(heights, ends, strict=True):
        x, y = axes.transData.transform((end.x, end.y))
        at = to_data.transform((size[0] - room, height))
        weight = "bold" if end.strong else "normal"
        axes.text(*at, end.text, va="center", fontweight=weight, color=end.ink, clip_on=False)
        line = to_data.transform([(x + 6, y), (size[0] - room - 3, height)])
        axes.plot(*line.T, color=end.colour, linewidth=0.8, alpha=0.7, clip_on=False, zorder=1)


def spread(wanted: Sequence[float], spacing: float, lowest: float, highest: float) -> list[float]:
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


def svg(figure: Any, title: str) -> str:
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
