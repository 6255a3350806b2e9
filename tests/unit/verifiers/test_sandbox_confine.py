"""What a confined process may not do, on kernels old and new."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from z1.verifiers.sandbox import confine

OUTSIDE = os.getpid()


def refused(act: Callable[[], object], same_user: bool = True) -> str:
    """Return what an act gives in a process that system call filters alone confine."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            # Without Landlock, as before Linux 6.12: signals are then the filter's to stop.
            confine.confine(None, own_network=False, same_user=same_user)
            try:
                act()
                os.write(write, b"done")
            except OSError as error:
                os.write(write, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as file:
        return file.read().decode()


@pytest.mark.parametrize(
    "act",
    [
        lambda: os.kill(OUTSIDE, 0),
        lambda: os.kill(-1, 0),
        lambda: os.killpg(os.getpgid(OUTSIDE), 0),
        lambda: socket.socket(),
        lambda: socket.socket(socket.AF_UNIX),
        lambda: os.memfd_create("x"),
        lambda: Path("/").chmod(0o755),
        lambda: os.truncate("/", 0),
        lambda: os.setpriority(os.PRIO_PROCESS, OUTSIDE, 0),
        lambda: os.sched_setaffinity(OUTSIDE, {0}),
    ],
)  # fmt: skip
def test_a_filter_refuses_what_reaches_others(act: Callable[[], object]) -> None:
    assert refused(act) == "PermissionError"


@pytest.mark.parametrize(
    "act",
    [
        lambda: os.kill(os.getpid(), 0),
        lambda: socket.socketpair(),
        lambda: os.waitpid(os.fork() or os._exit(0), 0),
        lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
    ],
)
def test_a_filter_lets_a_process_keep_house(act: Callable[[], object]) -> None:
    assert refused(act) == "done"


def test_modes_of_files_are_free_to_a_user_of_its_own(tmp_path: Path) -> None:
    assert refused(lambda: tmp_path.chmod(0o755), same_user=False) == "done"
