"""A place to run programs that must be taken for hostile, and to learn what they print or return.

No network, no files but an empty folder, no environment, no other processes, limits on everything,
and nothing that a program started is left when its outcome is returned. The judge is here; inside
are a keeper, which forks a process for each test (``keeper.py``, ``tidy.py``), and the judged
process (``judged.py``, ``tested.py``), which confines and watches itself (``confine.py``,
``watch.py``) before it runs the program. What is expected of a program stays with the judge.
"""

import json
import os
import secrets
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from z1.recipe import Verify

_MEGABYTE = 2**20
_GRACE = 15.0  # seconds a keeper may take to clean up after a test
_LONGEST_ANSWER = 200 * _MEGABYTE


class Limits(NamedTuple):
    """What one test may use."""

    seconds: float = 10.0
    """Computing time; waiting may take three times as long."""
    memory_mb: int = 2048
    processes: int = 64
    file_mb: int = 64
    """Largest file, and all files together."""
    output_mb: int = 16
    """Most that is read of what a program prints or returns."""


class Outcome(NamedTuple):
    """What became of a program on one test."""

    cause: str | None
    """``exception``, ``time``, ``memory``, ``output`` or ``forbidden``; None if it ended well."""
    message: str
    """What happened, for people."""
    output: str
    """What it printed (scripts only)."""
    report: dict[str, Any]
    """What the judged process reported last: ``result``, ``missing`` or ``tests``."""
    blocked: list[str]
    """What it tried that the sandbox refuses."""


class SandboxError(Exception):
    """The sandbox itself failed; the program is not to blame."""


class Sandbox:
    """A running sandbox. It is renewed by itself whenever a program had to be stopped in it."""

    def __init__(self, isolation: str) -> None:
        self.isolation = isolation
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()
        self._folder: str | None = None
        self._uid: int | None = None
        self._size = 0

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run_script(self, program: str, given: str, limits: Limits) -> Outcome:
        """Run a program as a script with ``given`` as its input."""
        return self._run({"kind": "stdin", "program": program, "input": given}, limits)

    def run_call(self, program: str, name: str, arguments: list[Any], limits: Limits) -> Outcome:
        """Call a function of a program, or a method of its class ``Solution``."""
        request = {"kind": "call", "program": program, "entry_point": name, "args": arguments}
        return self._run(request, limits)

    def run_tests(self, program: str, code: str, limits: Limits) -> Outcome:
        """Run a file of unittest cases on a program's names."""
        token = secrets.token_hex(16)
        request = {"kind": "unittest", "program": program, "code": code, "token": token}
        outcome = self._run(request, limits)
        if outcome.report.get("token") != token:
            return outcome._replace(report={})
        return outcome

    def close(self) -> None:
        """End the sandbox and all that is in it."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        process.kill()
        process.wait()
        process.stdout.close()
        self._remove_rest()
        self._stack.close()

    # ------------------------------------------------------------ talking to the keeper

    def _run(self, request: dict[str, Any], limits: Limits) -> Outcome:
        numbers = {
            "seconds": limits.seconds,
            "wall_seconds": 3 * limits.seconds,
            "memory_bytes": limits.memory_mb * _MEGABYTE,
            "processes": limits.processes,
            "file_bytes": limits.file_mb * _MEGABYTE,
            "output_bytes": limits.output_mb * _MEGABYTE,
        }
        if self._process is None or self._size != numbers["file_bytes"]:
            self.close()
            self._start(int(numbers["file_bytes"]))
        answer = self._ask({**request, **numbers}, numbers["wall_seconds"] + _GRACE)
        if answer is None:
            self.close()
            return Outcome("time", "the sandbox did not answer and was ended", "", {}, [])
        if not answer["clean"] or answer["stopped"] or answer["signal"]:
            self.close()
        return _read(answer, limits)

    def _start(self, file_bytes: int) -> None:
        from z1.verifiers.sandbox import backends

        self._uid = self._stack.enter_context(backends.own_user())
        command, settings = backends.begin(self.isolation, self._uid, file_bytes)
        errors = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        environment = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", os.defpath)}
        if folder := os.environ.get("TMPDIR"):
            environment["TMPDIR"] = folder
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        self._size = file_bytes
        hello = self._ask(settings, _GRACE * 4)
        if hello is None:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            self.close()
            raise OSError(f"the sandbox does not start: {lines[-1] if lines else 'no message'}")
        self._folder = None if settings["folder"] else hello["folder"]

    def _ask(self, message: dict[str, Any], seconds: float) -> Any:
        """Send a message and return the answer; None if there is none in time."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        descriptor = self._process.stdout.fileno()
        until, held = time.monotonic() + seconds, bytearray()
        while not held.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return None
            piece = os.read(descriptor, 2**20)
            if not piece or len(held) > _LONGEST_ANSWER:
                return None
            held += piece
        return json.loads(held)

    def _remove_rest(self) -> None:
        """Remove what a keeper that did not end by itself has left."""
        if self._folder is None:
            return
        if self._uid is not None:
            _kill_all_of(self._uid)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None


def _kill_all_of(uid: int) -> None:
    """Kill all processes of a user, as that user."""
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(uid, uid, uid)
            os.kill(-1, 9)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


_LIMIT_ERRORS = {27: "output", 28: "output"}  # file too large, no space left
_NO_MORE_PROCESSES = 11


def _read(answer: dict[str, Any], limits: Limits) -> Outcome:
    """Turn a keeper's answer into an outcome."""
    reports = []
    for line in answer["reports"].splitlines():
        try:
            reports.append(json.loads(line))
        except (ValueError, RecursionError):
            continue  # of a report that was cut off, or that the program wrote
    reports = [report for report in reports if isinstance(report, dict)]
    if not (reports and reports[0].get("ready")) and not answer["stopped"]:
        raise SandboxError(f"the sandbox could not run the program ({answer['signal']})")
    blocked = [str(report["blocked"]) for report in reports if "blocked" in report]
    last = reports[-1] if reports else {}
    raised = next((r["raised"] for r in reversed(reports) if "raised" in r), None)
    cause: str | None = None
    message = ""
    if answer["stopped"]:
        cause = answer["stopped"]
        message = {
            "time": f"it ran longer than {3 * limits.seconds:g} s",
            "memory": f"it needed more than {limits.memory_mb} MB",
            "output": "it wrote more than it may",
        }[answer["stopped"]]
    elif answer["signal"] in (24, 9) and answer["cpu"] > limits.seconds / 2:
        # Half, since the kernel counts by another clock for the limit than it reports.
        cause, message = "time", f"it computed for longer than {limits.seconds:g} s"
    elif answer["signal"]:
        cause, message = "exception", f"it was ended by signal {answer['signal']}"
    elif isinstance(raised, list) and len(raised) == 3:
        kind, text, number = raised
        cause, message = "exception", f"{kind}: {text}" if text else str(kind)
        if kind == "MemoryError":
            cause = "memory"
        elif number in _LIMIT_ERRORS:
            cause = _LIMIT_ERRORS[number]
        elif number == _NO_MORE_PROCESSES or (number is not None and blocked):
            cause = "forbidden"
    return Outcome(cause, message, answer["output"], last, blocked)


# ---------------------------------------------------------------- settings and keeping


class Settings(NamedTuple):
    """What a recipe says of running programs."""

    isolation: str = "auto"
    limits: Limits = Limits()

    @classmethod
    def of(cls, section: "Verify") -> "Settings":
        """Return what a recipe's section says."""
        limits = Limits(seconds=section.seconds, memory_mb=section.memory_mb)
        return cls(section.isolation, limits)


_settings = Settings()
_kept: Sandbox | None = None
_keeping = False


@contextmanager
def keeping(settings: Settings) -> Iterator[None]:
    """Use these settings, and one sandbox for all programs of the block."""
    global _settings, _keeping, _kept
    before, _settings, _keeping = _settings, settings, True
    try:
        yield
    finally:
        _settings, _keeping = before, False
        if _kept is not None:
            _kept.close()
            _kept = None


@contextmanager
def opened() -> Iterator[tuple[Sandbox, Limits]]:
    """Return a sandbox and its limits: the block's, or else one that ends with this one.

    Raises InputError if there can be none here.
    """
    global _kept
    from z1.verifiers.sandbox.backends import choose

    if _kept is not None:
        yield _kept, _settings.limits
        return
    sandbox = Sandbox(choose(_settings.isolation))
    if _keeping:
        _kept = sandbox
        yield sandbox, _settings.limits
        return
    with sandbox:
        yield sandbox, _settings.limits
