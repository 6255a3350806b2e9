"""Hostile programs, ``attacks/*.py``, in every kind of sandbox that this machine has.

Each file's header says what it does, the kind of problem it answers, and the verdict and causes
that it may get. All of them run on a pool of workers with honest programs in between.
"""

import os
import re
import resource
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from z1.verifiers import Verdict, check_all
from z1.verifiers.sandbox import Limits, Settings
from z1.verifiers.sandbox.backends import _USERS, ISOLATIONS, available

ATTACKS = {path.stem: path.read_text() for path in Path(__file__).parent.glob("attacks/*.py")}
LIMITS = Limits(seconds=1, memory_mb=256, processes=16, file_mb=8, output_mb=1)
HONEST = """
def add(a, b):
    return a + b

if __name__ == "__main__":
    print(add(*map(int, input().split())))
"""
TESTS = """
import unittest

class T(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(add(1, 2), 3)
"""


class Attacked(NamedTuple):
    """What the attacks met and left."""

    verdicts: dict[str, Verdict]
    honest: list[Verdict]
    outside: dict[str, Any]
    connections: int
    left: list[str]


def _header(attack: str, key: str) -> str:
    found = re.search(rf"^# {key}: (.*)$", ATTACKS[attack], re.MULTILINE)
    return found[1] if found else ""


def _answer(kind: str, rest: str) -> dict[str, Any]:
    if kind == "call":
        tests = [{"args": [1, 2], "expected": 3}, {"args": [4, 5], "expected": 9}]
        return {"kind": kind, "entry_point": "add", "tests": tests}
    if kind == "unittest":
        return {"kind": kind, "code": TESTS}
    tests = [{"input": f"{a} {b}\n{rest}", "output": f"{a + b}\n"} for a, b in ((1, 2), (4, 5))]
    return {"kind": kind, "tests": tests}


def _look(folder: Path) -> dict[str, Any]:
    return {
        path.name: (path.read_text(), path.stat().st_mode, path.stat().st_mtime)
        for path in folder.iterdir()
    } | {"mode": folder.stat().st_mode}


def _left() -> list[str]:
    """Return the processes, folders and shared files of sandboxes that are there now."""
    found = []
    for process in psutil.process_iter(["uids", "name", "ppid"]):
        uids = process.info["uids"]
        if (uids and uids.real in _USERS) or process.info["name"] == "bwrap":
            found.append(str(process))
    found += [str(path) for path in Path(tempfile.gettempdir()).glob("z1-sandbox-*")]
    for place in (Path("/dev/shm"), Path(tempfile.gettempdir()), Path("/var/tmp")):
        found += [str(path) for path in place.glob("*note*") if path.stat().st_uid in _USERS]
    return found


@pytest.fixture(scope="module", params=ISOLATIONS)
def attacked(request: pytest.FixtureRequest) -> Iterator[Attacked]:
    if problem := available()[request.param]:
        pytest.skip(f"{request.param}: {problem}")
    os.environ["Z1_SECRET"] = "a secret"
    # Not in /tmp, which is a sandbox's own.
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as name,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        folder = Path(name)
        folder.chmod(0o777)  # so that it is the sandbox, not the mode, that keeps it
        (folder / "secret").write_text("a secret")
        (folder / "secret").chmod(0o666)
        before = _look(folder)
        rest = f"{folder}\n{os.getpid()}\n{server.getsockname()[1]}\n"
        items = []
        for attack, program in ATTACKS.items():
            reply = f"```python\n{program}```"
            items.append(("code", _answer(_header(attack, "kind"), rest), reply))
            items.append(("code", _answer(_header(attack, "kind"), rest), HONEST))
        verdicts = check_all(items, running=Settings(request.param, LIMITS))
        server.settimeout(0)
        connections = 0
        try:
            while True:
                server.accept()[0].close()
                connections += 1
        except BlockingIOError:
            pass
        outside = {"before": before, "after": _look(folder)}
        yield Attacked(
            dict(zip(ATTACKS, verdicts[::2], strict=True)),
            verdicts[1::2],
            outside,
            connections,
            _left(),
        )
    del os.environ["Z1_SECRET"]


def test_there_are_at_least_forty_attacks() -> None:
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_gets_the_verdict_that_it_deserves(attacked: Attacked, attack: str) -> None:
    verdict, _, causes = _header(attack, "expects").partition(" ")
    found = attacked.verdicts[attack]
    assert found.verdict == verdict, found
    assert (found.details or {}).get("cause", "") in causes.split("|"), found


@pytest.mark.parametrize("attack", [name for name in ATTACKS if _header(name, "blocked")])
def test_what_it_was_refused_is_recorded(attacked: Attacked, attack: str) -> None:
    blocked = (attacked.verdicts[attack].details or {})["blocked"]
    assert any(what.startswith(_header(attack, "blocked")) for what in blocked)


def test_the_verifier_lives_on_after_every_attack(attacked: Attacked) -> None:
    wrong = {
        attack: verdict
        for attack, verdict in zip(ATTACKS, attacked.honest, strict=True)
        if verdict.verdict != "right"
    }
    assert not wrong


def test_nothing_outside_was_touched(attacked: Attacked) -> None:
    assert attacked.outside["before"] == attacked.outside["after"]
    assert attacked.connections == 0
    written = [place for place in sys.path if (Path(place) / "z1_was_here.py").exists()]
    assert not written
    assert not (Path.home() / ".z1-was-here").exists()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 3
    assert os.getpriority(os.PRIO_PROCESS, 0) < 19


def test_no_process_folder_or_shared_file_is_left(attacked: Attacked) -> None:
    assert not attacked.left
