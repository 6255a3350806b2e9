import json

import pytest

from z1.evaluation.figures import write_figures


def model(name, effort, temperature, accuracy, strata):
    return {
        "name": name,
        "effort": effort,
        "temperature": temperature,
        "accuracy": accuracy,
        "accuracy_stderr": 0.01,
        "thinking_tokens": 20.5,
        "by_difficulty": {label: {"thinking_tokens": tokens} for label, tokens in strata.items()},
    }


@pytest.fixture
def report():
    row = {"method": "window", "thinking_tokens": 4.0}
    return {
        "temperature": 1.0,
        "models": [
            model("tag", "low", 1.0, 0.5, {"2 numbers": 5.0, "10 numbers": 9.0}),
            model("tag", "low", 0.0, 0.9, {"2 numbers": 1.0}),
            model("tops", None, 1.0, 0.75, {"10 numbers": 30.0}),
        ],
        "budgets": [
            {"model": "tops", "budget": 20, "accuracy": 0.5, **row},
            {"model": "tops", "budget": 5, "accuracy": 0.25, **row},
        ],
    }


def test_each_model_and_effort_has_its_figures_at_the_reports_temperature(report, tmp_path):
    write_figures(report, tmp_path)
    found = {p.name: json.loads(p.read_text()) for p in (tmp_path / "metrics").iterdir()}
    same = {"accuracy_stderr": 0.01, "thinking_tokens": 20.5}
    assert found == {
        "tag-low.json": {"accuracy": 0.5, **same},
        "tops.json": {"accuracy": 0.75, **same},
    }


def test_tables_are_wide_and_in_order(report, tmp_path):
    write_figures(report, tmp_path)
    tables = {path.name: path.read_text().splitlines() for path in (tmp_path / "plots").iterdir()}
    assert tables == {
        "models.csv": [
            "model,accuracy,accuracy_stderr,thinking_tokens",
            "tag-low,0.5,0.01,20.5",
            "tops,0.75,0.01,20.5",
        ],
        "difficulty.csv": ["difficulty,tag-low,tops", "2,5.0,", "10,9.0,30.0"],
        "budgets.csv": ["budget,tops-window", "5,0.25", "20,0.5"],
    }


def test_a_report_without_budgets_has_no_table_of_them(report, tmp_path):
    write_figures(report | {"budgets": []}, tmp_path)
    assert not (tmp_path / "plots" / "budgets.csv").exists()
