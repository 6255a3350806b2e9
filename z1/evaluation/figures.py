"""The report's figures as small files, for tools that compare runs, such as DVC.

``metrics/MODEL.json``
    accuracy with its standard error and mean thinking tokens, at the report's temperature; of the
    tag model a file for each effort (``tag-low.json``)
``plots/models.csv``
    the same, a row a model
``plots/difficulty.csv``
    mean thinking tokens: a row a difficulty, a column a model
``plots/budgets.csv``
    accuracy: a row a budget, a column a model and method (``tops-window``)

A table without rows is left out.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from z1.evaluation.metrics import natural_key
from z1.evaluation.plots import short_labels
from z1.records import write_bytes

_FIGURES = ("accuracy", "accuracy_stderr", "thinking_tokens")

Row = Mapping[str, Any]


def write_figures(report: Mapping[str, Any], folder: Path) -> None:
    """Write the figures of what ``report.build_report`` made to a folder."""
    models = {
        "-".join(filter(None, (model["name"], model["effort"]))): model
        for model in report["models"]
        if model["temperature"] == report["temperature"]
    }
    figures = {name: {key: model[key] for key in _FIGURES} for name, model in models.items()}
    for name, values in figures.items():
        text = json.dumps(values, indent=1) + "\n"
        write_bytes(folder / "metrics" / f"{name}.json", text.encode())
    tables = {
        "models": [{"model": name, **values} for name, values in figures.items()],
        "difficulty": _tabulate_difficulties(models),
        "budgets": _tabulate_budgets(report["budgets"]),
    }
    for name, rows in tables.items():
        if rows:
            text = pl.DataFrame(rows).write_csv()
            write_bytes(folder / "plots" / f"{name}.csv", text.encode())


def _tabulate_difficulties(models: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Return a row a difficulty; it is called by what it has apart from others, such as 2."""
    labels = sorted(
        {label for model in models.values() for label in model["by_difficulty"]}, key=natural_key
    )
    return [
        {
            "difficulty": shown,
            **{
                name: model["by_difficulty"].get(label, {}).get("thinking_tokens")
                for name, model in models.items()
            },
        }
        for label, shown in zip(labels, short_labels(labels)[0], strict=True)
    ]


def _tabulate_budgets(rows: Sequence[Row]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        line = found.setdefault(row["budget"], {"budget": row["budget"]})
        line[f"{row['model']}-{row['method']}"] = row["accuracy"]
    return [found[budget] for budget in sorted(found)]
