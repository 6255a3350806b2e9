"""What the Kubeflow Pipelines components have in common: one stage, run on artifacts.

A component's own body must stand alone, so each is one call of ``run_component``. Artifacts are
taken by what is used of them here, so that this module does not import kfp.
"""

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import yaml

from z1 import progress
from z1.errors import InputError
from z1.recipe import Recipe, parse_recipe
from z1.stages import run_stage

ERROR = "z1_error"
"""Key of the line of JSON by which a step tells ``z1 run`` what was wrong with its input."""


class Artifact(Protocol):
    """The part of a kfp artifact that is used here."""

    path: str


class MetricsArtifact(Protocol):
    """The part of a kfp metrics artifact that is used here."""

    def log_metric(self, metric: str, value: float) -> None:
        """Show a number beside the step."""


def run_component(
    stage: str,
    recipe: str,
    section: str,
    inputs: Mapping[str, Artifact | None],
    output: Artifact,
    metrics: MetricsArtifact,
    step: str,
    workspace: str,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Run a stage and return its output folder, to which ``output`` then points.

    ``recipe`` is the recipe's text, YAML or JSON; ``inputs`` that are None are left out. The output
    is the folder ``step`` in ``workspace``, where an attempt that was cut off is gone on with; or,
    if ``workspace`` is empty, in the artifact's own place.

    Ends the process with code 2 and an error message where the input is wrong.
    """
    watched = os.environ.get("Z1_PROGRESS") == progress.LINES
    if watched:
        os.setpgrp()  # so that the workers of this step can be ended together with it
        threading.Thread(target=_end_when_unread, daemon=True).start()
    progress.report(step, 0, 0)
    folder = Path(workspace or output.path) / step
    try:
        record = run_stage(
            stage,
            _parse(recipe),
            section,
            {name: Path(given.path) for name, given in inputs.items() if given is not None},
            folder,
            options,
        )
    except InputError as error:
        print(json.dumps({ERROR: str(error)}) if watched else f"error: {error}", flush=True)
        sys.exit(2)
    for name in ("kept", "dropped", "seconds"):
        metrics.log_metric(name, record[name])
    output.path = str(folder)
    return folder


def _parse(text: str) -> Recipe:
    try:
        content = json.loads(text)  # not as YAML, which reads JSON's 1e-05 as a word
    except ValueError:
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"recipe: not YAML: {error}") from error
    return parse_recipe(content, where="recipe", folder=Path.cwd())


def _end_when_unread() -> None:
    """End this step and its workers as soon as nobody reads its output: its run was killed."""
    poll = select.poll()
    poll.register(1, 0)  # standard output; with no events asked for, only its loss is reported
    poll.poll()
    os.killpg(0, signal.SIGKILL)
