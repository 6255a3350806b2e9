"""Publish a trained model and all that it was made from in a registry.

Inputs: outputs of the run's steps, by the steps' names: the model that the section names, all that
it came from, and ``evaluate``, from which the models' figures are taken. Others may be there too.
What was made from ``incumbent``, the model in service, has that one's version as a parent.
The output is ``versions.json``: the version of each step, and where its content lies; also each
folder's stamp, by which the next time an unchanged one need not be read again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from z1.errors import InputError
from z1.recipe import Recipe, write_recipe
from z1.records import write_bytes
from z1.stages import RECORD, Metrics, Work, fingerprint, read_record
from z1.tiny import MODEL
from z1.versioning.content import digest_content, stamp_content

USES = ("name", "method", "model", "teacher")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_FIGURES = ("accuracy", "accuracy_stderr", "thinking_tokens")
_OUTPUT = "versions.json"


def run(work: Work) -> Metrics:
    """Publish and write down what became of it. Without a registry nothing is published.

    Raises InputError if an ancestor of the model is missing, an input is not what the others were
    made from or not as its step made it, or the registry or S3 refuses.
    """
    outcomes: dict[str, Any] = {}
    stamps: dict[str, str] = {}
    if work.section.registry is not None:
        from z1.versioning.publishing import publish

        artifacts = collect(work)
        stamps = {each.step: stamp_content(each.folder) for each in artifacts}
        seen = _read_seen(work.earlier, stamps)
        artifacts = [replace(each, seen=seen.get(each.step)) for each in artifacts]
        recipe = work.recipe
        published = publish(work.section.registry, artifacts, recipe.name, write_recipe(recipe))
        outcomes = {each.step: published[each.name]._asdict() for each in artifacts}
        for outcome in published.values():
            if outcome.new:
                print(f"{outcome.version} {outcome.content}", flush=True)
    written = {"registry": work.section.registry, "versions": outcomes, "stamps": stamps}
    write_bytes(work.output / _OUTPUT, json.dumps(written, indent=1).encode())
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
        self._records = {name: self._read(name, path) for name, path in self._inputs.items()}
        self._steps = {record["key"]: name for name, record in self._records.items()}
        self._figures = self._read_figures(work.inputs.get("evaluate"))
        self._found: dict[str, Artifact] = {}

    def collect(self) -> list[Any]:
        self._add(self._model)
        return list(self._found.values())

    def _read(self, name: str, folder: Path) -> dict[str, Any]:
        """Return the record of an input. Raises InputError if another step has made it."""
        record = read_record(folder)
        if not (folder / RECORD).is_file():
            if name == self._model:
                raise InputError(
                    f"input {name!r}: {folder} has no {RECORD}, so nothing says what the model was "
                    "made from; give the whole folder that its step has written"
                )
            print(f"warning: {folder} has no {RECORD}: {name} is published without parents")
        elif record["step"] != name:
            raise InputError(
                f"input {name!r}: {folder} was made by the step {record['step']!r}; give each "
                "output by the name of its step"
            )
        elif "digest" not in record:
            print(f"warning: {folder}: an earlier z1 made it, so a change since is not noticed")
        return record

    def _read_figures(self, folder: Path | None) -> dict[str, dict[str, Any]]:
        """Return the figures of each model that was tested.

        Raises InputError if that was another one than is given.
        """
        if folder is None:
            return {}
        record = read_record(folder)
        if record.get("stage") != "evaluate":
            raise InputError(f"input 'evaluate': {folder} is no output of the evaluate stage")
        if record.get("digest", digest := digest_content(folder)) != digest:
            raise InputError(f"{folder}: was changed after its step had made it; run it again")
        tested = {parent["step"]: parent for parent in record["parents"]}
        for step in tested.keys() & self._records.keys():
            if not _is_parent(tested[step], self._records[step]):
                raise InputError(
                    f"input 'evaluate': {folder} is of another {step} than is given; evaluate this "
                    "one, or give the one that was tested"
                )
        figures = _read_report(folder)
        return {name: figures[name] for name in figures if name in tested or name == "base"}

    def _add(self, step: str) -> str:
        """Add what a step made, after its ancestors; return its name."""
        name = artifact_name(self._recipe.name, "" if step == self._model else step)
        if name in self._found:
            return name
        record, folder = self._records[step], self._inputs[step]
        stage, ancestors, models = record.get("stage"), record["parents"], record.get("models", {})
        if stage == "merge":  # of shards, which are parts of it and no versions of their own
            stage, shards, ancestors = "generate", ancestors, []
            for shard in shards:
                models = {**models, **shard.get("models", {})}
                there = {ancestor["key"] for ancestor in ancestors}
                ancestors += [each for each in shard["parents"] if each["key"] not in there]
        steps = [self._step_of(parent, step) for parent in ancestors]
        known = [parent for parent in steps if self._records[parent].get("stage") == "incumbent"]
        parents = [self._add(parent) for parent in steps if parent not in known]
        origins: dict[str, str] = {}
        if not known and all(self._found[parent].kind == "dataset" for parent in parents):
            if stage == "sft":
                parents += self._outside("base", origins, **self._base(models))
            elif stage == "generate":
                parents += self._outside("teacher", origins, **self._teacher(models))
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
            made=record.get("digest"),
            # Ancestors keep their versions: nothing would come of the new one.
            tested=step == self._model and step in self._figures,
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
        step = self._steps[parent["key"]]
        if not _is_parent(parent, self._records[step]):
            raise InputError(
                f"{child} was made from another output of {step!r} than is given, one of the same "
                f"recipe and other content; remove the folder of {child!r} and run it again"
            )
        return step

    def _base(self, models: Mapping[str, str]) -> dict[str, Any]:
        model = self._recipe.model
        return _model(model.path, model.revision, models.get(model.path))

    def _teacher(self, models: Mapping[str, str]) -> dict[str, Any]:
        teacher = self._recipe.teacher
        if teacher.engine == "scripted":
            return {"text": f"scripted, slip {teacher.slip:g}"}
        if teacher.model is None:
            assert teacher.replies is not None
            return {"text": f"replies in {teacher.replies.name}"}
        # A server's model is not the one whose tokenizer was loaded here.
        known = None if teacher.engine == "endpoint" else models.get(teacher.model)
        return _model(teacher.model, None, known)

    def _outside(
        self,
        role: str,
        origins: dict[str, str],
        folder: Path | None = None,
        was: str | None = None,
        text: str = "",
    ) -> list[str]:
        """Add a model that no step made: its folder, or else its name among the origins.

        Raises InputError if the folder has changed since a step used it.
        """
        if folder is None:
            origins[role] = text
            return []
        key = fingerprint(folder)
        if was not in (None, key):
            raise InputError(
                f"{folder}: the {role} was changed after it was used; bring back what was changed, "
                "or run again from there"
            )
        name = artifact_name(self._recipe.name, role)
        if name not in self._found:
            figures = _metrics({}, self._figures.get(role, {}))
            self._found[name] = self._artifact(name, "model", role, key, folder, (), {}, figures)
        return [name]


def _kind(folder: Path) -> Any:
    return "model" if (folder / "config.json").is_file() else "dataset"


def _metrics(record: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the registry shows of an artifact, and DVC compares; no times, which vary."""
    counts = {name: record[name] for name in ("kept", "dropped", "unit") if name in record}
    return counts | dict(figures)


def _model(path: str, revision: str | None, was: str | None) -> dict[str, Any]:
    """Return a model from outside, as ``_outside`` takes it; of a folder, also what it was then."""
    folder = MODEL if path == "tiny" else Path(path)
    if folder.is_dir():
        return {"folder": folder, "was": was}
    at = list(dict.fromkeys(filter(None, (revision, was))))  # what was asked for, and the commit
    return {"text": f"{path} at {', '.join(at)}" if at else path}


def _is_parent(seen: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Tell whether a record is that of the input that another step has seen."""
    same = seen["key"] == record["key"]
    known = "digest" in seen and "digest" in record
    return same and (not known or seen["digest"] == record["digest"])


def _read_seen(earlier: Path | None, stamps: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each step's content that is as the earlier publishing saw it."""
    try:
        known = json.loads((earlier / _OUTPUT).read_bytes()) if earlier else {}
        return {
            step: outcome["digest"]
            for step, outcome in known.get("versions", {}).items()
            if step in stamps and known["stamps"][step] == stamps[step]
        }
    except (OSError, ValueError, KeyError):  # by an earlier z1
        return {}


def _read_report(evaluation: Path) -> dict[str, dict[str, Any]]:
    """Return each model's figures in the report, by temperature and effort, and by budget."""
    figures: dict[str, dict[str, Any]] = {}
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
