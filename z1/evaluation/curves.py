"""The figure of the budgets: accuracy against average thinking tokens, a curve a method."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from z1.evaluation.budgets import list_curves
from z1.evaluation.drawing import (
    COLOURS,
    MUTED,
    PAPER,
    STYLE,
    End,
    dress,
    label_ends,
    label_points,
    make_figure,
    make_ticks,
    svg,
)

Row = Mapping[str, Any]

_LOOKS = {
    "window": {"marker": "o", "linestyle": "solid", "linewidth": 2.2},
    "tags": {"marker": "s", "linestyle": "solid", "linewidth": 1.6},
    "truncation": {"marker": "X", "linestyle": (0, (4, 1.8)), "linewidth": 1.6},
}
_NUMBER_SIZE = 11


def over_budgets(rows: Sequence[Row], size: tuple[int, int]) -> str:
    """Draw the rows of ``budgets.summarise_budgets``; each point says its budget in tokens."""
    from matplotlib import rc_context

    with rc_context({**STYLE, "svg.hashsalt": f"budgets-{size}"}):
        figure = _draw(rows, size)
        return svg(figure, "Accuracy against average thinking tokens, by budget and method")


def _draw(rows: Sequence[Row], size: tuple[int, int]) -> Any:
    from matplotlib.ticker import MaxNLocator

    figure = make_figure(size)
    axes = figure.subplots()
    room = 122
    figure.subplots_adjust(
        left=46 / size[0], right=1 - (room + 8) / size[0], top=0.925, bottom=56 / size[1]
    )
    dress(axes)
    names = list_curves(row["model"] for row in rows)
    curves = {
        curve: [row for row in rows if (row["model"], row["method"]) == curve] for curve in names
    }
    ends = []
    for (model, method), points in curves.items():
        if not points:
            continue
        colour = COLOURS.get(model, MUTED)
        axes.errorbar(
            [point["thinking_tokens"] for point in points],
            [100 * point["accuracy"] for point in points],
            xerr=[point["thinking_tokens_stderr"] or 0 for point in points],
            yerr=[100 * (point["accuracy_stderr"] or 0) for point in points],
            color=colour,
            markersize=8,
            markeredgecolor=PAPER,
            elinewidth=1.2,
            zorder=4 if method == "window" else 3,
            **_LOOKS[method],
        )
        last = points[-1]
        strong = (model, method) == ("tops", "window")
        place = last["thinking_tokens"], 100 * last["accuracy"]
        ends.append(End(*place, names[model, method], colour, strong, ink=colour))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    highest = max(100 * (row["accuracy"] + (row["accuracy_stderr"] or 0)) for row in rows)
    axes.set_ylim(-4, min(highest * 1.1 + 2, 104))
    axes.set_yticks(make_ticks(axes, 6, 100))
    axes.set_xlabel("Average thinking tokens of a reply", labelpad=8)
    figure.text(6 / size[0], 0.965, "Accuracy, %", color=MUTED)
    figure.canvas.draw()
    shown = [point for points in curves.values() for point in points]
    label_points(
        axes,
        shown,
        [str(point["budget"]) for point in shown],
        _NUMBER_SIZE,
        [line for points in curves.values() for line in _segments(axes, points)],
        [COLOURS.get(point["model"], MUTED) for point in shown],
    )
    label_ends(axes, ends, size, room)
    return figure


def _segments(axes: Any, points: Sequence[Row]) -> list[tuple[Any, Any]]:
    """Return the pieces of a curve, in pixels."""
    places = [
        axes.transData.transform((point["thinking_tokens"], 100 * point["accuracy"]))
        for point in points
    ]
    return list(pairwise(places))
