"""Pipelines as Kubeflow Pipelines takes them; ``make compile`` keeps those of the methods in Git.

Usage: python -m z1_pipelines.compiling FOLDER
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from kfp import compiler

from z1_pipelines.choosing import PIPELINES


def compile_pipeline(pipeline: Any) -> str:
    """Return a pipeline as YAML, the same text each time.

    kfp begins it with a comment in which the order of values changes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline_func=pipeline, package_path=str(path))
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "".join(lines[start:])


if __name__ == "__main__":
    for name, choice in PIPELINES.items():
        text = compile_pipeline(choice.cluster)
        Path(sys.argv[1], f"{name}.yaml").write_text(text, encoding="utf-8")
