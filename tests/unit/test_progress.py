import os
from types import SimpleNamespace

import pytest

from z1 import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets; progress has just begun."""
    now = [1000.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(progress, "_last_report", 0.0)
    monkeypatch.setattr(progress, "_last_logged", now[0])
    monkeypatch.delenv("Z1_PROGRESS", raising=False)
    return now


def test_a_log_gets_a_line_every_half_minute(clock, capfd):
    for done in range(101):
        progress.report("tops", done, 100)
        clock[0] += 1
    assert capfd.readouterr().err.splitlines() == ["tops  31/100", "tops  62/100", "tops  93/100"]


def test_a_short_step_leaves_no_lines_in_a_log(clock, capfd):
    for done in range(21):
        progress.report("tops", done, 20)
        clock[0] += 1
    assert capfd.readouterr() == ("", "")


def test_libraries_draw_no_bars_in_a_log_unless_asked_to(monkeypatch, capfd):
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "")
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "0")
    progress.spare_logs()
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"
    assert os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] == "0"
