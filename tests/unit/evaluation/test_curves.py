from itertools import combinations
from xml.etree import ElementTree

import pytest
from matplotlib import rc_context

from z1.evaluation.budgets import CURVES
from z1.evaluation.curves import _draw, over_budgets
from z1.evaluation.drawing import NARROW, STYLE, WIDE, Box

SHAPE = [(5, 4.9, 0.05), (10, 9.0, 0.2), (20, 14.9, 0.6), (40, 19.4, 0.95)]


TOPS = [curve for curve in CURVES if curve[0] not in ("z1", "base")]
Z1 = [curve for curve in CURVES if curve not in TOPS]


def rows(curves=tuple(TOPS)):
    return [
        {
            "model": model,
            "method": method,
            "budget": budget,
            "accuracy": accuracy * (1 - 0.1 * place),
            "accuracy_stderr": 0.02,
            "thinking_tokens": tokens * (1 - 0.03 * place),
            "thinking_tokens_stderr": None,
        }
        for place, (model, method) in enumerate(curves)
        for budget, tokens, accuracy in SHAPE
    ]


def test_every_curve_is_named_and_every_point_says_its_budget():
    for curves, variable in [(TOPS, "--model-tops-stop"), (Z1, "--model-z1")]:
        svg = over_budgets(rows(curves), WIDE)
        found = [element.text for element in ElementTree.fromstring(svg).iter() if element.text]
        assert {CURVES[curve] for curve in curves} <= set(found)
        assert found.count("40") >= len(curves)
        assert f"var({variable})" in svg
    assert "#05050" not in svg


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_names_and_numbers_do_not_touch_and_stay_inside(size):
    with rc_context(STYLE):
        figure = _draw(rows(), size)
    renderer = figure.canvas.get_renderer()
    extents = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    boxes = [Box(e.x0, e.y0, e.x1, e.y1) for e in extents]
    assert len(boxes) == len(TOPS) * (len(SHAPE) + 1)
    assert all(first.overlap(second) < 1 for first, second in combinations(boxes, 2))
    assert all(box.left >= 0 and box.right <= size[0] and box.top <= size[1] for box in boxes)


def test_curves_that_a_run_has_not_are_left_out():
    svg = over_budgets(rows([("tops", "window")]), NARROW)
    found = [element.text for element in ElementTree.fromstring(svg).iter() if element.text]
    assert "Window" in found
    assert "Tags" not in found
