"""Publish a trained model and all that it was made from in a registry.

Inputs: outputs of the run's steps, by the steps' names: the model that the section names, all that
it came from, and ``evaluate``, from which the models' figures are taken. Others may be there too.
What was made from ``incumbent``, the model in service, has that one's version as a parent.
The output is ``versions.json``: the version of each step, and where its content lies.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from z1.errors import InputError
from z1.recipe import Recipe, write_recipe
from z1.records import write_bytes
from z1.stages import Metrics, Work, fingerprint, read_record
from z1.tiny import MODEL

USES = ("name", "method", "model", "teacher")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_FIGURES = ("accuracy", "accuracy_stderr", "thinking_tokens")


def run(work: Work) -> Metrics:
    """Publish and write down what became of it. Without a registry nothing is published.

    Raises InputError if an ancestor of the model is missing, or the registry or S3 refuses.
    """
    outcomes: dict[str, Any] = {}
    if work.section.registry is not None:
        from z1.versioning.publishing import publish

        artifacts = collect(work)
        recipe = work.recipe
        published = publish(work.section.registry, artifacts, recipe.name, write_recipe(recipe))
        outcomes = {each.step: published[each.name]._asdict() for each in artifacts}
        for outcome in published.values():
            if outcome.new:
                print(f"{outcome.version} {outcome.content}", flush=True)
    text = json.dumps({"registry": work.section.registry, "versions": outcomes}, indent=1)
    write_bytes(work.output / "versions.json", text.encode())
    new = [outcome["version"] for outcome in outcomes.values() if outcome["new"]]
    return Metrics(len(outcomes), {}, {"new": new}, "versions")


def artifact_name(recipe: str, step: str = "") -> str:
    """Return the name that GTO takes for a recipe's model, or for what another step made.

    GTO allows no dots. No recipe's name has an underscore, so no two become the same.
    """
    name = recipe.replace(".", "_")
    return f"{name}/{step}" if step else name


def collect(work: Work) -> list[Any]:
    """Return the model to publish and its ancestors, as artifacts, ancestors first.

    Raises InputError if one is missing.
    """
    return _Family(work).collect()


class _Family:
    """The model to publish and its ancestors."""

    def __init__(self, work: Work) -> None:
        from z1.versioning.publishing import Artifact
        from z1.versioning.versions import Ancestor

        self._artifact, self._version = Artifact, Ancestor
        self._recipe: Recipe = work.recipe
        self._model = work.recipe.candidate(work.inputs)
        self._inputs = {name: path for name, path in work.inputs.items() if name != "evaluate"}
        for name in self._inputs:
            if not _NAME.fullmatch(name) or name == "data":
                raise InputError(f"input {name!r}: publish takes outputs by the names of steps")
        if self._model not in self._inputs:
            raise InputError(f"publish needs the input {self._model!r}, the model to publish")
        self._records = {name: read_record(path) for name, path in self._inputs.items()}
        self._steps = {record["key"]: name for name, record in self._records.items()}
        self._figures = _read_figures(work.inputs.get("evaluate"))
        self._found: dict[str, Artifact] = {}

    def collect(self) -> list[Any]:
        self._add(self._model)
        return list(self._found.values())

    def _add(self, step: str) -> str:
        """Add what a step made, after its ancestors; return its name."""
        name = artifact_name(self._recipe.name, "" if step == self._model else step)
        if name in self._found:
            return name
        record, folder = self._records[step], self._inputs[step]
        stage, ancestors = record.get("stage"), record["parents"]
        if stage == "merge":  # of shards, which are parts of it and no versions of their own
            stage, shards = "generate", ancestors
            ancestors = list({p["key"]: p for s in shards for p in s["parents"]}.values())
        steps = [self._step_of(parent, step) for parent in ancestors]
        known = [parent for parent in steps if self._records[parent].get("stage") == "incumbent"]
        parents = [self._add(parent) for parent in steps if parent not in known]
        origins: dict[str, str] = {}
        if not known and all(self._found[parent].kind == "dataset" for parent in parents):
            if stage == "sft":
                parents += self._outside("base", origins, **self._base())
            elif stage == "generate":
                parents += self._outside("teacher", origins, **self._teacher())
        self._found[name] = self._artifact(
            name=name,
            kind=_kind(folder),
            step=step,
            key=record["key"],
            folder=folder,
            parents=tuple(parents),
            ancestors=tuple(self._ancestor(self._inputs[parent]) for parent in known),
            origins=origins,
            metrics=_metrics(record, self._figures.get(step, {})),
        )
        return name

    def _ancestor(self, folder: Path) -> Any:
        """Return the version that is in service, from the output of the incumbent stage."""
        record = json.loads((folder / "incumbent.json").read_bytes())
        return self._version(**{name: record[name] for name in self._version.model_fields})

    def _step_of(self, parent: Mapping[str, Any], child: str) -> str:
        if parent["key"] not in self._steps:
            raise InputError(
                f"{child} was made from an output of {parent['step']!r} that publish was not "
                f"given: give it as the input {parent['step']!r}, or run {child!r} again"
            )
        return self._steps[parent["key"]]

    def _base(self) -> dict[str, Any]:
        model = self._recipe.model
        folder = MODEL if model.path == "tiny" else Path(model.path)
        if folder.is_dir():
            return {"folder": folder}
        return {"text": model.path + (f" at {model.revision}" if model.revision else "")}

    def _teacher(self) -> dict[str, Any]:
        teacher = self._recipe.teacher
        if teacher.engine == "scripted":
            return {"text": f"scripted, slip {teacher.slip:g}"}
        if teacher.model is None:
            assert teacher.replies is not None
            return {"text": f"replies in {teacher.replies.name}"}
        folder = MODEL if teacher.model == "tiny" else Path(teacher.model)
        return {"folder": folder} if folder.is_dir() else {"text": teacher.model}

    def _outside(
        self, role: str, origins: dict[str, str], folder: Path | None = None, text: str = ""
    ) -> list[str]:
        """Add a model that no step made: its folder, or else its name among the origins."""
        if folder is None:
            origins[role] = text
            return []
        name = artifact_name(self._recipe.name, role)
        if name not in self._found:
            figures = _metrics({}, self._figures.get(role, {}))
            key = fingerprint(folder)
            self._found[name] = self._artifact(name, "model", role, key, folder, (), {}, figures)
        return [name]


def _kind(folder: Path) -> Any:
    return "model" if (folder / "config.json").is_file() else "dataset"


def _metrics(record: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the registry shows of an artifact, and DVC compares; no times, which vary."""
    counts = {name: record[name] for name in ("kept", "dropped", "unit") if name in record}
    return counts | dict(figures)


def _read_figures(evaluation: Path | None) -> dict[str, dict[str, Any]]:
    """Return each model's figures in the report, by temperature and effort, and by budget."""
    figures: dict[str, dict[str, Any]] = {}
    if evaluation is None:
        return figures
    report = json.loads((evaluation / "report.json").read_bytes())
    for row in report["models"]:
        way = f"temperature {row['temperature']:g}"
        way += f", {row['effort']} effort" if row["effort"] else ""
        of_model = figures.setdefault(row["name"], {}).setdefault("evaluation", {})
        of_model[way] = {name: row[name] for name in _FIGURES}
    for row in report["budgets"]:
        of_model = figures.setdefault(row["model"], {}).setdefault("budgets", {})
        within = of_model.setdefault(row["method"], {})
        within[str(row["budget"])] = {name: row[name] for name in _FIGURES if name in row}
    return figures
