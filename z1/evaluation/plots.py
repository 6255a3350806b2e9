"""The figures of the models: accuracy against thinking, and both by difficulty."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from z1.evaluation.drawing import (
    COLOURS,
    MARKERS,
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
from z1.evaluation.metrics import natural_key
from z1.evaluation.report import label

Model = Mapping[str, Any]

DASHES = {"low": (0, (1, 1.6)), "medium": (0, (4, 1.8)), "high": "solid", None: "solid"}
_GAP_WORTH_A_CUT = 15.0  # points of accuracy that no model falls into


def tradeoff(models: Sequence[Model], size: tuple[int, int]) -> str:
    """Draw accuracy against thinking tokens, a labelled point with error bars for each model.

    Where one group of models lies far below the others, the accuracy axis is cut in two, so
    that the differences at the top stay readable.
    """
    from matplotlib import rc_context

    with rc_context({**STYLE, "svg.hashsalt": f"tradeoff-{size}"}):
        figure = _draw_tradeoff(models, size)
        return svg(figure, "Accuracy against thinking tokens of every model")


def _draw_tradeoff(models: Sequence[Model], size: tuple[int, int]) -> Any:
    figure = make_figure(size)
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
        dress(axes)
        for model in group:
            colour = COLOURS.get(model["name"], MUTED)
            axes.errorbar(
                model["thinking_tokens"],
                100 * model["accuracy"],
                xerr=model["thinking_tokens_stderr"] or 0,
                yerr=100 * (model["accuracy_stderr"] or 0),
                color=colour,
                marker=MARKERS.get(model["name"], "o"),
                markersize=9,
                markeredgecolor=PAPER,
                elinewidth=1.6,
                zorder=4,
            )
        axes.set_ylim(_limits(group, band, len(bands)))
        axes.set_xlim(0, widest * 1.12 or 1)
        axes.set_yticks(make_ticks(axes, 6 if len(group) > 2 else 2, 100))
    _join_efforts(panels, models)
    for upper, lower in pairwise(panels):
        _cut(upper, lower)
    panels[-1].set_xlabel("Mean thinking tokens of a reply", labelpad=8)
    figure.text(6 / size[0], 0.965, "Accuracy, %", color=MUTED)
    figure.canvas.draw()
    for axes, group in zip(panels, inside, strict=True):
        label_points(axes, group, [label(model) for model in group])
    return figure


def by_difficulty(models: Sequence[Model], figure_of: str, size: tuple[int, int]) -> str:
    """Draw ``thinking_tokens`` or ``accuracy`` by difficulty, a labelled line for each model."""
    from matplotlib import rc_context

    scale = 100 if figure_of == "accuracy" else 1
    title = "Accuracy, %" if figure_of == "accuracy" else "Mean thinking tokens of a reply"
    names = {name for model in models for name in model["by_difficulty"]}
    labels = sorted(names, key=natural_key)
    ticks, unit = short_labels(labels)
    crowded = 9 * sum(map(len, ticks)) > size[0] - 170  # pixels, about
    with rc_context({**STYLE, "svg.hashsalt": f"{figure_of}-{size}"}):
        figure = make_figure(size)
        axes = figure.subplots()
        figure.subplots_adjust(
            left=46 / size[0],
            right=1 - 112 / size[0],
            top=0.915,
            bottom=(56 + 60 * crowded) / size[1],
        )
        dress(axes)
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
                color=COLOURS.get(model["name"], MUTED),
                linestyle=DASHES[model["effort"]],
                linewidth=2.6 if model["name"] == "tops" else 1.8,
                marker=MARKERS.get(model["name"], "o"),
                markersize=7,
                markeredgecolor=PAPER,
                zorder=4 if model["name"] == "tops" else 3,
            )
            colour = COLOURS.get(model["name"], MUTED)
            ends.append(End(places[-1], values[-1], label(model), colour, model["name"] == "tops"))
        turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
        axes.set_xticks(range(len(labels)), ticks, **turned)
        axes.set_ylim(bottom=0)
        if figure_of == "accuracy":
            axes.set_ylim(0, 104)
        axes.set_yticks(make_ticks(axes, 6, 100 if figure_of == "accuracy" else math.inf))
        axes.set_xlabel(f"Difficulty ({unit})" if unit else "Difficulty", labelpad=8)
        figure.text(6 / size[0], 0.96, title, color=MUTED)
        figure.canvas.draw()
        label_ends(axes, ends, size)
        return svg(figure, f"{title}, by difficulty")


def short_labels(labels: Sequence[str]) -> tuple[list[str], str]:
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
            color=COLOURS["tag"],
            linewidth=1,
            alpha=0.45,
            zorder=2,
        )
        axes.set_ylim(limits)
