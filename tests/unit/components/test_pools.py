"""Which images pipelines name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from z1_components.images.push import push
from z1_components.pools import find_image

ROOT = Path(__file__).parents[3]
DOCKER = """#!{python}
import sys
command, name = sys.argv[1:], sys.argv[-1]
if command[0] == "push" and "z1-vllm" in name:
    sys.exit("denied: requested access to the resource is denied")
if "{{{{.Id}}}}" in command:
    print("sha256:" + "ab" * 32)
if "{{{{json .RepoDigests}}}}" in command:
    print('["elsewhere/z1-cpu@sha256:1", "r.example/team/z1-cpu@sha256:2"]')
"""


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A client whose registry takes z1-cpu alone. A real one is asked in tests/containers."""
    client = tmp_path / "docker"
    client.write_text(DOCKER.format(python=sys.executable))
    client.chmod(0o755)
    monkeypatch.setenv("DOCKER", str(client))


def test_images_have_their_own_names_until_they_are_pushed(docker, tmp_path):
    written = tmp_path / "pushed.json"
    assert find_image("z1-cpu", written) == "z1-cpu"
    names = push("r.example/team/", ("z1-cpu",), written)
    assert names == {"z1-cpu": "r.example/team/z1-cpu@sha256:2"}
    assert find_image("z1-cpu", written) == "r.example/team/z1-cpu@sha256:2"


def test_a_push_that_fails_changes_no_name(docker, tmp_path, capfd):
    written = tmp_path / "pushed.json"
    written.write_text(json.dumps({"z1-cpu": "r.example/team/z1-cpu@sha256:1"}))
    with pytest.raises(subprocess.CalledProcessError):
        push("r.example/team", ("z1-cpu", "z1-vllm"), written)
    assert find_image("z1-cpu", written) == "r.example/team/z1-cpu@sha256:1"
    assert "requested access to the resource is denied" in capfd.readouterr().err


def test_make_push_without_a_registry_says_what_is_missing():
    script = ROOT / "components" / "images" / "push.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={**os.environ}
    )
    assert done.returncode == 1
    assert "make push REGISTRY=" in done.stderr
