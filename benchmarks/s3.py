"""How fast do files go to S3 and back, against boto3's upload_file and download_file in a loop?

One large file, and many small ones in a folder, to and from a SeaweedFS that this starts on the
same machine (``pip install 'z1[test]'``), or the server that AWS_ENDPOINT_URL and --bucket name.
The two are measured in turn, so that other load on the machine meets both. z1's transfers also
make and check a SHA-256 of every part, which boto3's do not:

    python benchmarks/s3.py --json s3.json
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(__file__).parent.parent))

from z1.versioning import local
from z1.versioning.s3 import download, upload

MIB = 2**20


def time_of(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def send_plainly(source: Path, bucket: str, prefix: str) -> None:
    """Upload a file or each file of a folder, one after another."""
    client = boto3.client("s3")
    for path in [source] if source.is_file() else sorted(source.iterdir()):
        client.upload_file(str(path), bucket, f"{prefix}/{path.name}")


def fetch_plainly(names: list[str], bucket: str, prefix: str, target: Path) -> None:
    """Download files by name, one after another."""
    client = boto3.client("s3")
    target.mkdir()
    for name in names:
        client.download_file(bucket, f"{prefix}/{name}", str(target / name))


def measure(source: Path, bucket: str, rounds: int, scratch: Path) -> dict[str, list[float]]:
    """Return MB/s of each way and direction, one figure a round."""
    names = [source.name] if source.is_file() else sorted(path.name for path in source.iterdir())
    files = [source] if source.is_file() else list(source.iterdir())
    ours, theirs = scratch / "ours", scratch / "theirs"
    size = sum(path.stat().st_size for path in files) / 1e6
    speeds: dict[str, list[float]] = {}
    for number in range(rounds):
        prefix = f"benchmark/{source.name}-{os.getpid()}-{number}"
        ways: dict[str, Callable[[], object]] = {
            "upload boto3": lambda p=prefix: send_plainly(source, bucket, f"{p}/theirs"),
            "upload z1": lambda p=prefix: upload(source, f"s3://{bucket}/{p}/ours"),
            "download boto3": lambda p=prefix: fetch_plainly(names, bucket, f"{p}/theirs", theirs),
            "download z1": lambda p=prefix: download(f"s3://{bucket}/{p}/ours", ours),
        }
        order = ["boto3", "z1"] if number % 2 else ["z1", "boto3"]  # the disk remembers
        for name in [f"{way} {whose}" for way in ("upload", "download") for whose in order]:
            speeds.setdefault(name, []).append(size / time_of(ways[name]))
        shutil.rmtree(theirs)
        if ours.is_dir():
            shutil.rmtree(ours)
        else:
            ours.unlink()
    return speeds


def main() -> None:
    """Print megabytes per second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write the ratios to")
    parser.add_argument("--bucket", help="at the server that AWS_ENDPOINT_URL names [a local one]")
    parser.add_argument("--large", type=int, default=512, help="MiB of the large file [512]")
    parser.add_argument("--small", type=int, default=2000, help="number of small files [2000]")
    parser.add_argument("--small-kib", type=int, default=16, help="KiB of each [16]")
    parser.add_argument("--rounds", type=int, default=4, help="[4]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        server = None
        bucket = options.bucket
        if bucket is None:
            port = local.find_port()
            server = local.start(scratch / "server", port)
            os.environ.update(local.make_environment(port))
            bucket = local.BUCKET
        try:
            with (scratch / "large").open("wb") as file:
                for _ in range(options.large):
                    file.write(os.urandom(MIB))
            (scratch / "small").mkdir()
            for number in range(options.small):
                (scratch / "small" / f"{number:05d}").write_bytes(
                    os.urandom(options.small_kib * 1024)
                )
            (scratch / "first").mkdir()
            (scratch / "first" / "file").write_bytes(b"1")
            measure(scratch / "first", bucket, 1, scratch)  # what is done once a process
            ratios = {}
            for kind in ("large", "small"):
                speeds = measure(scratch / kind, bucket, options.rounds, scratch)
                for direction in ("upload", "download"):
                    ours, theirs = speeds[f"{direction} z1"], speeds[f"{direction} boto3"]
                    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
                    ratios[f"{kind}-{direction}"] = ratio
                    print(
                        f"{kind:5} {direction:8}  z1 {statistics.median(ours):7.1f} MB/s   "
                        f"boto3 {statistics.median(theirs):7.1f} MB/s   ratio {ratio:.2f}",
                        flush=True,
                    )
        finally:
            if server is not None:
                server.terminate()
                server.wait()
    if options.json:
        options.json.write_text(json.dumps({"ratios": ratios}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
