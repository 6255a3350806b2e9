"""Find the problems that were added since the model in service was made.

Inputs: ``problems``, those of now, and ``incumbent``. The registry says which problems the
incumbent's own run began with. The output is a table of problems, ``iteration.parquet``: those of
any split for training whose prompt was not among them. ``added.json`` has ``enough``, whether they
are worth a retraining; ``added``, how many they are; ``since`` and ``incumbent``, the versions of
the problems and the model; and ``text``, a sentence.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.recipe import Retrain
from z1.records import PROBLEM, SPLITS, normalise_prompt, scan, write_bytes, write_part
from z1.stages import Metrics, Work
from z1.stages.incumbent import INCUMBENT
from z1.stages.publish import artifact_name

USES = ("name", "publish")

RECORD = "added.json"


def run(work: Work) -> Metrics:
    """Write the added problems, few or many.

    Raises InputError if no model is in service, or its problems are not in the registry.
    """
    section: Retrain = work.section
    incumbent = _read_incumbent(work)
    before, since = _pull_problems(work, incumbent)
    now = pl.concat(
        [
            scan(work.inputs["problems"] / f"{split}.parquet", PROBLEM).collect()
            for split in SPLITS
            if split != "evaluation"
        ]
    )
    known = set(map(normalise_prompt, before))
    is_new = [normalise_prompt(prompt) not in known for prompt in now["prompt"]]
    added = now.filter(pl.Series(is_new, dtype=pl.Boolean))
    write_part(added, work.output / "iteration.parquet", PROBLEM)
    count, enough = len(added), len(added) >= section.min_problems
    text = f"{count} problems were added since {since}, with which {incumbent} was made"
    if not enough:
        text = f"nothing to do: {text}; retrain.min_problems asks for {section.min_problems}"
    print(text, flush=True)
    record: dict[str, Any] = {
        "enough": enough,
        "added": count,
        "since": since,
        "incumbent": incumbent,
        "text": text,
    }
    write_bytes(work.output / RECORD, json.dumps(record, indent=1).encode() + b"\n")
    return Metrics(count, {"there before": len(now) - count}, record, "problems")


def is_enough(folder: Path) -> bool:
    """Tell whether a retraining goes on after this stage's output."""
    return bool(json.loads((folder / RECORD).read_bytes())["enough"])


def _read_incumbent(work: Work) -> str:
    """Return the version in service. Raises InputError if there is none."""
    name = artifact_name(work.recipe.name)
    path = work.inputs["incumbent"] / INCUMBENT
    try:
        version = json.loads(path.read_bytes())["version"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not the output of the incumbent stage: {error!r}") from error
    if version is None:
        raise InputError(
            f"no version of {name} is in service, so there is none to retrain: run the whole "
            f"pipeline (z1 submit), then z1 promote {name}@v1 --stage prod"
        )
    return str(version)


def _pull_problems(work: Work, incumbent: str) -> tuple[list[str], str]:
    """Return the prompts of all problems that the incumbent's run began with, and their version."""
    from z1.versioning.lineage import find_own
    from z1.versioning.pulling import pull
    from z1.versioning.registry import open_registry
    from z1.versioning.versions import find_version, list_versions

    folder = work.output / ".before"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut off
    name = artifact_name(work.recipe.name, "problems")
    with open_registry(work.recipe.publish.registry or "") as registry:
        versions = list_versions(registry)
        since = find_own(versions, find_version(versions, incumbent), name)
        pull(registry, since, folder)
    prompts = scan(folder, PROBLEM).select("prompt").collect()["prompt"].to_list()
    shutil.rmtree(folder)
    return prompts, str(since)
