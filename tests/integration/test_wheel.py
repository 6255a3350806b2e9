"""The wheel: all that the demo needs is in it, and nothing is read from the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment with the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "env", symlinks=True)
    site = folder / f"env/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    [wheel] = folder.glob("z1-*.whl")
    install = [*pip, "install", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    # A plain path adds the libraries of this environment, but not its link to the checkout.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


def run(installed: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [installed / "python", *arguments],
        cwd=installed.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_it_is_the_wheel_that_is_used(installed):
    place = run(installed, "-c", "import z1, z1_pipelines; print(z1.__file__, z1_pipelines)")
    assert str(ROOT) not in place


@pytest.mark.parametrize(
    "name", ["demo", "z1-demo", "tops-qwen2.5-32b", "tops-llama3.1-8b", "z1-qwen2.5-coder-7b"]
)
def test_its_recipes_are_found_by_name(installed, name):
    run(installed, "-m", "z1.cli", "recipe", "check", name)


def test_its_tiny_model_answers(installed):
    run(installed, "-m", "z1.cli", "tiny-base", "tiny")
    code = "from z1.models import load_model; print(load_model('tiny', 'float32').num_parameters())"
    assert int(run(installed, "-c", code)) <= 1_100_000


def test_its_pipeline_compiles(installed):
    code = (
        "from kfp import compiler; from z1_pipelines.tops_pipeline import tops_pipeline; "
        "compiler.Compiler().compile(tops_pipeline, 'tops.yaml')"
    )
    run(installed, "-c", code)
    assert (installed.parent / "tops.yaml").is_file()
