"""`make push` against a registry: docker-registry, CNCF's own, where it is installed."""

import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request

import pytest

from z1_components.images.push import push

if not os.environ.get("Z1_TEST_CONTAINERS"):
    pytest.skip("`make test-containers` runs these", allow_module_level=True)
if not shutil.which("docker-registry"):
    pytest.skip("docker-registry is not installed", allow_module_level=True)

DOCKER = os.environ.get("DOCKER", "docker")
IMAGES = ("z1-push-a", "z1-push-b")


@pytest.fixture
def registry(tmp_path):
    """The address of a registry. Docker takes one on this machine without TLS."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "registry")}}
    config = tmp_path / "registry.yaml"
    config.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": address}}))
    with (tmp_path / "registry.log").open("w") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(config)], stderr=log, stdout=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield address
    server.terminate()
    server.wait()


@pytest.fixture
def images():
    """Two small images of other content."""
    for name in IMAGES:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            about = tarfile.TarInfo("name")
            about.size = len(name)
            tar.addfile(about, io.BytesIO(name.encode()))
        run("import", "-", name, given=packed.getvalue())
    yield
    subprocess.run([DOCKER, "image", "rm", "--force", *IMAGES], capture_output=True)


def run(*arguments, given=None):
    return subprocess.run([DOCKER, *arguments], input=given, check=True, capture_output=True).stdout


def test_what_is_pushed_is_had_by_its_digest(registry, images, tmp_path):
    written = tmp_path / "pushed.json"
    names = push(f"{registry}/team", IMAGES, written)
    assert json.loads(written.read_text()) == names
    for image in IMAGES:
        assert names[image].startswith(f"{registry}/team/{image}@sha256:")
        before = run("image", "inspect", "--format", "{{.Id}}", image)
        found = run("images", "--quiet", "--filter", f"reference={registry}/team/{image}").split()
        run("image", "rm", "--force", *(name.decode() for name in found))
        run("pull", "--quiet", names[image])
        assert run("image", "inspect", "--format", "{{.Id}}", names[image]) == before
