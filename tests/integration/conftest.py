"""A real server with the tiny model, as `z1 serve` starts it."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from z1.efforts import write_card
from z1.models import load_tokenizer
from z1.recipe import EffortPrompts
from z1.tiny import MODEL

HINT = "\nanswer\n"
KEY = "secret"
# Room for less than a dozen replies at a time, in small blocks, so that growing ones get preempted.
BLOCK_SIZE, BLOCKS = 32, 20
_START = 600  # seconds


class Served(NamedTuple):
    """A server that is up."""

    url: str
    model: Path


@pytest.fixture(scope="session")
def served(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`z1 serve` with the tiny model, as if it had been trained with effort prompts."""
    folder = tmp_path_factory.mktemp("served")
    model = folder / "model"
    shutil.copytree(MODEL, model)
    prompts = EffortPrompts(low="fast", medium="steps", high="check")
    load_tokenizer(str(model), prompts).save_pretrained(model)
    write_card(model, efforts=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [vllm_python, "-m", "z1.serving", model, "--host", "127.0.0.1", "--port", port]
    command += ["--hint", HINT, "--reserve", 8, "--api-key", KEY]
    command += ["--budget-low", 3, "--budget-medium", 20, "--budget-high", 4000]
    command += ["--", "--served-model-name", "tiny"]
    command += ["--block-size", BLOCK_SIZE, "--num-gpu-blocks-override", BLOCKS]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield Served(f"http://127.0.0.1:{port}", model)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(0.5)
