"""The judged process: runs one program on one test and reports what became of it.

Runs inside the sandbox, on the standard library alone, in a process that was forked for this one
test. What the program is compared with is not here, save for a unittest file, which has to be.
"""

import atexit
import builtins
import json
import linecache
import os
import sys
import threading
from typing import Any

from z1.verifiers.sandbox.tested import new_module, run_tests
from z1.verifiers.sandbox.watch import Report, watch

_DEEPEST = 50_000  # calls; what a problem's own size asks for is no runaway recursion
_LONGEST_MESSAGE = 300


def run(
    request: dict[str, Any], descriptor: int, allowed: tuple[str, ...], own_network: bool
) -> None:
    """Run a request's program and end the process. Reports are lines of JSON on ``descriptor``.

    ``allowed`` are the folders and files that a program may open; what it tries beyond them is
    reported as blocked. In a network of its own it may open sockets, which then lead nowhere.
    """
    write = os.write

    def report(found: dict[str, Any]) -> None:
        line = json.dumps(found).encode() + b"\n"
        while line:
            line = line[write(descriptor, line) :]

    report({"ready": True})
    sys.stdin, sys.stdout = _text(0, "r"), _text(1, "w")
    sys.stderr = _text(2, "w")
    printed = sys.stdout
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    sys.setrecursionlimit(_DEEPEST)
    sys.argv = ["program.py"]
    program = request["program"]
    linecache.cache["program.py"] = (len(program), None, program.splitlines(True), "program.py")
    sys.addaudithook(watch(report, allowed, own_network))
    failed = 0
    try:
        {"stdin": _run_script, "call": _run_call, "unittest": run_tests}[request["kind"]](
            request, report
        )
    except SystemExit as end:
        if request["kind"] != "stdin":
            report({"raised": ["SystemExit", str(end.code), None]})
        elif end.code not in (None, 0, False):
            report({"raised": ["SystemExit", f"exit code {end.code}"[:_LONGEST_MESSAGE], None]})
    except BaseException as error:
        failed = 1
        report({"raised": _described(error)})
    try:
        if request["kind"] == "stdin":
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        sys.stdout.flush()
        if request["kind"] == "stdin":
            sys.modules["__main__"].__dict__.clear()  # closes what the program has left open
        printed.flush()
    except BaseException:
        pass
    os._exit(failed)


def _text(descriptor: int, mode: str) -> Any:
    return open(descriptor, mode, encoding="utf-8", errors="surrogateescape", closefd=False)


def _described(error: BaseException) -> list[Any]:
    try:
        message = str(error)
    except BaseException:
        message = ""
    number = error.errno if isinstance(error, OSError) else None
    kind = type(error)
    name = "MemoryError" if isinstance(error, MemoryError) else kind.__name__
    return [name, message[:_LONGEST_MESSAGE], number]


# ---------------------------------------------------------------- the three kinds


def _run_script(request: dict[str, Any], report: Report) -> None:
    space = new_module("__main__").__dict__
    exec(compile(request["program"], "program.py", "exec", dont_inherit=True), space)


def _run_call(request: dict[str, Any], report: Report) -> None:
    # Under another name than __main__, so that a program's own trial of itself does not run.
    space = new_module("program").__dict__
    space.update(_PRELUDE)
    exec(compile(request["program"], "program.py", "exec", dont_inherit=True), space)
    *owner, name = request["entry_point"].split(".")
    owner = owner or ["Solution"]
    if isinstance(space.get(owner[0]), type) and hasattr(space[owner[0]], name):
        function = getattr(space[owner[0]](), name)
    elif name in space:
        function = space[name]
    else:
        report({"missing": name})
        return
    encoded = _encode(function(*request["args"]))
    report({"result": encoded})


def _encode(value: Any) -> Any:
    """Write a value so that the judge can compare it without running anything of the program's."""
    if value is None or value is True or value is False:
        return value
    if hasattr(value, "tolist") and type(value).__module__.partition(".")[0] == "numpy":
        value = value.tolist()
    if isinstance(value, int):
        return value if abs(value) < 2**53 else ["int", hex(value)]
    if isinstance(value, float):
        return ["float", float.__repr__(value)]
    if isinstance(value, str):
        return ["str", str.__str__(value)]
    if isinstance(value, list | tuple):
        return ["list", [_encode(item) for item in value]]
    if isinstance(value, dict):
        return ["dict", [[_encode(key), _encode(item)] for key, item in value.items()]]
    if isinstance(value, set | frozenset):
        return ["set", [_encode(item) for item in value]]
    return ["other", f"{type(value).__name__} {value!r}"[:200]]


def make_prelude() -> None:
    """Fill the names that a call problem's program finds there, as on the sites it comes from."""
    names = (
        "string re datetime collections heapq bisect copy math random statistics itertools "
        "functools operator io sys json typing"
    )
    for name in names.split():
        module = __import__(name)
        public = getattr(module, "__all__", [key for key in vars(module) if key[0] != "_"])
        _PRELUDE.update({key: getattr(module, key) for key in public})
    for name in (*names.split(), "os", "time"):
        _PRELUDE[name] = __import__(name)
    for name in vars(builtins):
        _PRELUDE.pop(name, None)  # math's pow is not everybody's
    from datetime import datetime  # of the two that carry the name

    _PRELUDE["datetime"] = datetime


_PRELUDE: dict[str, Any] = {}
