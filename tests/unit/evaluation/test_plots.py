import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context

from z1.evaluation.drawing import NARROW, STYLE, WIDE, Box, spread
from z1.evaluation.plots import _bands, _draw_tradeoff, by_difficulty, short_labels, tradeoff

# Accuracy and tokens as the paper found them (MATH500), and as a run of the demo may look.
PAPER = [
    ("base", None, 0.828, 556),
    ("tag", "low", 0.906, 1588),
    ("tag", "medium", 0.915, 2536),
    ("tag", "high", 0.906, 3768),
    ("random", None, 0.902, 2670),
    ("tops", None, 0.915, 1883),
    ("iter-sft", None, 0.908, 1701),
    ("iter-dpo", None, 0.916, 1732),
]
DEMO = [
    ("base", None, 0.92, 32.4),
    ("tag", "low", 0.21, 5.3),
    ("tag", "medium", 0.97, 35.5),
    ("tag", "high", 0.978, 71.5),
    ("random", None, 0.954, 53.7),
    ("tops", None, 0.954, 33.9),
    ("iter-sft", None, 0.956, 33.5),
    ("iter-dpo", None, 0.958, 33.2),
]


def models(table, labels=("2", "3", "10")):
    return [
        {
            "name": name,
            "effort": effort,
            "accuracy": accuracy,
            "accuracy_stderr": 0.009,
            "thinking_tokens": tokens,
            "thinking_tokens_stderr": tokens / 40,
            "by_difficulty": {
                label: {"accuracy": accuracy, "thinking_tokens": tokens * (place + 1)}
                for place, label in enumerate(labels)
            },
        }
        for name, effort, accuracy, tokens in table
    ]


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.text]


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("table", [PAPER, DEMO, DEMO[:1]])
def test_every_point_has_its_label_and_no_two_labels_touch(table, size):
    with rc_context(STYLE):
        figure = _draw_tradeoff(models(table), size)
    renderer = figure.canvas.get_renderer()
    boxes = {}
    for axes in figure.axes:
        for text in axes.texts:
            extent = text.get_window_extent(renderer)
            boxes[text.get_text()] = Box(extent.x0, extent.y0, extent.x1, extent.y1)
    assert len(boxes) == len(table)
    touching = [
        (first, second)
        for first, second in combinations(boxes, 2)
        if boxes[first].overlap(boxes[second]) > 0
    ]
    assert touching == []
    width, height = size
    assert all(b.left >= 0 and b.right <= width and b.top <= height for b in boxes.values())


def test_the_figure_takes_all_its_colours_from_the_page():
    svg = tradeoff(models(DEMO), WIDE)
    assert {"Tag low", "Tag high", "TOPS", "Random-right"} <= set(texts(svg))
    assert "var(--model-tops)" in svg
    assert re.findall(r"#0[0-9a-f]{5}\b", svg) == []
    assert "DejaVu" not in svg
    assert 'id="axes_1"' not in svg


def test_figures_on_one_page_share_no_id():
    drawn = [tradeoff(models(DEMO), size) for size in (WIDE, NARROW)]
    drawn += [by_difficulty(models(DEMO), of, WIDE) for of in ("accuracy", "thinking_tokens")]
    ids = [re.findall(r'\bid="([^"]+)"', svg) for svg in drawn]
    assert ids[0]
    assert all(not set(first) & set(second) for first, second in combinations(ids, 2))


def test_the_same_figures_are_drawn_the_same():
    assert tradeoff(models(DEMO), WIDE) == tradeoff(models(DEMO), WIDE)


def test_difficulties_stand_in_natural_order_with_every_model_at_the_end():
    svg = by_difficulty(models(DEMO, ["10", "2", "3"]), "thinking_tokens", WIDE)
    found = texts(svg)
    assert [text for text in found if text in ("2", "3", "10")] == ["2", "3", "10"]
    assert {"Base", "Tag low", "Tag medium", "Tag high", "TOPS"} <= set(found)


def test_labels_of_any_content_are_drawn_as_they_are():
    svg = by_difficulty(models(PAPER, ["<b>easy</b>", "$x_$ & hard"]), "accuracy", NARROW)
    assert {"<b>easy</b>", "$x_$ & hard"} <= set(texts(svg))


def test_the_accuracy_axis_is_cut_only_around_a_wide_gap():
    assert _bands([92, 97, 98, 21]) == [(92, 98), (21, 21)]
    assert _bands([80, 90, 95]) == [(80, 95)]
    assert _bands([10, 40, 70, 99]) == [(10, 99)]
    assert _bands([50]) == [(50, 50)]


def test_words_shared_by_all_labels_are_said_once():
    assert short_labels(["2 terms", "10 terms"]) == (["2", "10"], "terms")
    assert short_labels(["Level 1", "Level 2"]) == (["1", "2"], "Level")
    assert short_labels(["2", "3"]) == (["2", "3"], "")
    assert short_labels(["easy", "hard"]) == (["easy", "hard"], "")
    assert short_labels(["2 terms", "2 digits"]) == (["2 terms", "2 digits"], "")


@given(st.lists(st.floats(0, 400), min_size=1, max_size=12).map(sorted))
def test_pushed_labels_keep_their_order_distance_and_frame(wanted):
    heights = spread(wanted, 17, 0, 400)
    assert len(heights) == len(wanted)
    assert all(b - a >= 17 - 1e-6 for a, b in pairwise(heights))
    assert heights[0] >= -1e-6
    assert heights[-1] <= 400 + 1e-6


def test_labels_that_have_room_stay_where_they_are():
    assert spread([10, 50, 100], 17, 0, 400) == [10, 50, 100]
    assert spread([50, 50, 200], 20, 0, 400) == [40, 60, 200]
