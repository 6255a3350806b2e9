"""The S3 of the small cluster, started for real as its pod starts it.

The root is read-only, the user is not root, and only what the pod mounts can be written.
"""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from z1.verifiers.sandbox.backends import available
from z1.versioning.local import find_port

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "not-so-secret"}


@pytest.fixture(scope="module")
def pod(render) -> dict[str, Any]:
    [found] = [o for o in render("overlays/small") if o["kind"] == "StatefulSet"]
    return found["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def serve(pod, tmp_path_factory) -> Callable[[], Any]:
    """Start the pod's container on the same data each time."""
    if problem := available()["bubblewrap"]:
        pytest.skip(f"no read-only root can be made here: {problem}")
    weed = Path(sys.executable).with_name("weed")
    data = tmp_path_factory.mktemp("data")
    user = pod["securityContext"]["runAsUser"]
    data.chmod(0o777)
    [container] = pod["containers"]

    @contextmanager
    def started() -> Iterator[str]:
        port = find_port()
        assert "-s3.port=8333" in container["args"]
        ours = {"-s3.port=8333": f"-s3.port={port}", "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1"}
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts == {"/data", "/tmp"}
        root = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
        root += ["--tmpfs", "/tmp", "--bind", str(data), "/mnt", "--die-with-parent"]
        root += ["--ro-bind", sys.prefix, sys.prefix]  # where weed is, even if that is below /tmp
        root += ["--unshare-user", "--uid", str(user), "--gid", str(user), "--chdir", "/"]
        command = [weed, *(ours.get(argument, argument) for argument in container["args"])]
        # There is no /data here and none can be made.
        command = [str(part).replace("-dir=/data", "-dir=/mnt") for part in command]
        process = subprocess.Popen(
            [*root, *command], env=KEYS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url + container["readinessProbe"]["httpGet"]["path"], process)
            yield url
        finally:
            process.terminate()
            process.wait(30)

    return started


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 3000
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"{url} does not answer; exit code {process.poll()}")


def connect(url: str, secret: str = KEYS["AWS_SECRET_ACCESS_KEY"]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        region_name="us-east-1",
        # It is up to five seconds before it knows the volumes on its disk; all who use it wait.
        config=Config(retries={"max_attempts": 10, "mode": "standard"}),
    )


def wait_for_bucket(client: Any, name: str) -> None:
    end = time.monotonic() + 300
    while name not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        assert time.monotonic() < end, "the bucket is not made"
        time.sleep(0.1)


def test_it_makes_its_bucket_knows_one_key_and_keeps_what_it_has(serve):
    with serve() as url:
        client = connect(url)
        wait_for_bucket(client, "z1-models")
        client.put_object(Bucket="z1-models", Key="a/b", Body=b"content")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            connect(url, "wrong").list_buckets()
        with pytest.raises(ClientError):
            client.put_object(Bucket="no-such-bucket", Key="a", Body=b"")
    with serve() as url:
        client = connect(url)
        assert client.get_object(Bucket="z1-models", Key="a/b")["Body"].read() == b"content"


def test_it_takes_its_keys_from_the_secret_and_listens_where_its_service_says(pod, render):
    [container] = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "z1-s3"}}]
    [service] = [
        o
        for o in render("overlays/small")
        if (o["kind"], o["metadata"]["name"]) == ("Service", "z1-s3")
    ]
    [port] = service["spec"]["ports"]
    named = {entry["name"]: entry["containerPort"] for entry in container["ports"]}
    assert named[port["targetPort"]] == 8333
