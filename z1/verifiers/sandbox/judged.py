"""The judged process: runs one program on one test and reports what became of it.

Runs inside the sandbox, on the standard library alone, in a process that was forked for this one
test. What the program is compared with is not here, save for a unittest file, which has to be.
"""

import ast
import atexit
import builtins
import json
import linecache
import os
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

_DEEPEST = 50_000  # calls; what a problem's own size asks for is no runaway recursion
_LONGEST_MESSAGE = 300
_MOST_BLOCKED = 20
_MOST_WATCHING = 0.2  # seconds; a program in deep folders can make each look expensive
_UNIX = 1  # the family of sockets that pairs are made of

Report = Callable[[dict[str, Any]], None]


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
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    sys.setrecursionlimit(_DEEPEST)
    sys.argv = ["program.py"]
    program = request["program"]
    linecache.cache["program.py"] = (len(program), None, program.splitlines(True), "program.py")
    sys.addaudithook(_watch(report, allowed, own_network))
    failed = 0
    try:
        {"stdin": _run_script, "call": _run_call, "unittest": _run_tests}[request["kind"]](
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


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__file__ = "program.py"
    module.__dict__["__builtins__"] = builtins
    sys.modules[name] = module
    return module


# ---------------------------------------------------------------- the three kinds


def _run_script(request: dict[str, Any], report: Report) -> None:
    space = _module("__main__").__dict__
    exec(compile(request["program"], "program.py", "exec", dont_inherit=True), space)


def _run_call(request: dict[str, Any], report: Report) -> None:
    # Under another name than __main__, so that a program's own trial of itself does not run.
    space = _module("program").__dict__
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


# ---------------------------------------------------------------- unittest files


def _run_tests(request: dict[str, Any], report: Report) -> None:
    """Run a file of tests on a program, in one process, for they patch and inspect it.

    A program could reach into its own tests. It is kept from the simple ways: what it changes
    in unittest is put back before they run and refused if it is changed when they have run; each
    run ends with tests that must fail, and do not where asserting was made void; the outcome
    carries a token that the program was never given and counts every test by name. A program that
    searches its own process for all this still finds it.
    """
    import unittest
    import unittest.mock

    token = request["token"]
    del request["token"]
    outcome: dict[str, str] = {}
    changed = _guard([m for n, m in sys.modules.items() if n.partition(".")[0] == "unittest"])

    class Result(unittest.TestResult):
        def _note(self, test: Any, what: str, error: Any = None) -> None:
            name = f"{type(test).__name__}.{getattr(test, '_testMethodName', '')}"
            cause = "" if error is None else f"{error[0].__name__}: {error[1]}"
            if outcome.get(name) in (None, "ok"):
                outcome[name] = f"{what} {cause}"[:_LONGEST_MESSAGE] if what != "ok" else what

        def addSuccess(self, test: Any) -> None:  # noqa: N802
            self._note(test, "ok")

        def addError(self, test: Any, err: Any) -> None:  # noqa: N802
            self._note(test, "error", err)

        def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
            self._note(test, "failure", err)

        def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
            self._note(test, "ok")

        def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
            self._note(test, "ok")

        def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
            self._note(test, "failure")

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
            if err is not None:
                what = "failure" if issubclass(err[0], test.failureException) else "error"
                self._note(test, what, err)

    def must_fail() -> unittest.TestCase:
        class Canary(unittest.TestCase):
            def test_equal(self) -> None:
                self.assertEqual(1, 2)

            def test_true(self) -> None:
                self.assertTrue(False)

            def test_raises(self) -> None:
                with self.assertRaises(KeyError):
                    pass

            def test_fail(self) -> None:
                self.fail()

            def test_assert(self) -> None:
                if not 1 > 2:
                    raise self.failureException

        return unittest.TestSuite(unittest.TestLoader().loadTestsFromTestCase(Canary))  # type: ignore[return-value]

    suite_class, loader = unittest.TestSuite, unittest.TestLoader()
    canaries = must_fail()
    space = _module("program").__dict__
    exec(compile(request["program"], "program.py", "exec", dont_inherit=True), space)
    changed(put_back=True)
    tests = request["code"]
    linecache.cache["tests.py"] = (len(tests), None, tests.splitlines(True), "tests.py")
    exec(compile(tests, "tests.py", "exec", dont_inherit=True), space)
    wanted = [node.name for node in ast.parse(tests).body if isinstance(node, ast.ClassDef)]
    cases = [
        space[name]
        for name in wanted
        if isinstance(space.get(name), type) and issubclass(space[name], unittest.TestCase)
    ]
    suite = suite_class([loader.loadTestsFromTestCase(case) for case in cases])
    count = suite.countTestCases()
    suite.run(Result())
    ran = dict(outcome)
    outcome.clear()
    canaries.run(Result())
    tampered = changed(put_back=True) or (
        "assertions" if len(outcome) != 5 or "ok" in outcome.values() else None
    )
    report({"token": token, "tests": ran, "count": count, "tampered": tampered})


def _guard(modules: list[types.ModuleType]) -> Callable[..., str | None]:
    """Remember what modules and their classes hold; the function returned names a change."""
    places: list[Any] = []
    for module in modules:
        places.append(module)
        places += [
            item
            for item in vars(module).values()
            if isinstance(item, type) and item.__module__.startswith("unittest")
        ]
    kept = [(place, dict(vars(place))) for place in places]
    codes = [
        (item, item.__code__)
        for _, names in kept
        for item in names.values()
        if isinstance(item, types.FunctionType)
    ]
    missing = object()

    def changed(put_back: bool) -> str | None:
        found: str | None = None
        for module in modules:
            sys.modules[module.__name__] = module
        for place, names in kept:
            for name in {*names, *vars(place)}:
                # Settings such as maxDiff are for tests to change; what runs them is not.
                if name.startswith("__") or not _runs(names.get(name)):
                    continue
                if vars(place).get(name, missing) is names[name]:
                    continue
                found = f"{place.__name__}.{name}"
                if put_back:
                    setattr(place, name, names[name])
        for function, code in codes:
            if function.__code__ is not code:
                found = function.__qualname__
                function.__code__ = code
        return found

    return changed


def _runs(item: Any) -> bool:
    return callable(item) or isinstance(item, staticmethod | classmethod | property)


# ---------------------------------------------------------------- blocked attempts


def _watch(
    report: Report, allowed: tuple[str, ...], own_network: bool
) -> Callable[[str, Any], None]:
    """Return an audit hook that reports what a program tries and the sandbox refuses.

    It sees what goes through Python; a record for people, and no part of the protection.
    """
    seen: set[str] = set()
    busy = False
    left = _MOST_WATCHING
    main = os.getpid()
    clock = time.perf_counter

    def note(what: str) -> None:
        if what not in seen and len(seen) < _MOST_BLOCKED and os.getpid() == main:
            seen.add(what)
            report({"blocked": what[:200]})

    def outside(path: Any) -> str | None:
        if isinstance(path, int) or path is None:
            return None
        text = os.fsdecode(path)
        if text.startswith(("<", "/proc/self/fd")) or "\0" in text:
            return None
        # Links count: `link -> /etc` in the own folder leads outside.
        full = os.path.realpath(text)
        inside = any(full == place or full.startswith(f"{place}/") for place in allowed)
        return None if inside else os.path.abspath(text)

    def hook(event: str, details: Any) -> None:
        nonlocal busy, left
        if event not in _WATCHED or busy or left <= 0:
            return
        busy, start = True, clock()
        try:
            kind = _WATCHED[event]
            if kind == "signal":
                if details[0] != main:
                    note(f"signal to process {details[0]}")
            elif kind == "socket":
                if not own_network and details[1] != _UNIX:
                    note(f"network: {event}")
            elif kind == "network":
                note(f"network: {event}")
            else:
                paths = details[:2] if kind == "two" else details[:1]
                for path in paths:
                    if full := outside(path):
                        note(f"file {full}")
        except Exception:
            pass
        finally:
            busy = False
            left -= clock() - start

    return hook


_WATCHED = {
    "open": "one", "os.listdir": "one", "os.scandir": "one", "os.mkdir": "one",
    "os.remove": "one", "os.rmdir": "one", "os.chmod": "one", "os.chown": "one",
    "os.truncate": "one", "os.chdir": "one", "os.rename": "two", "os.link": "two",
    "os.symlink": "one", "os.kill": "signal", "os.killpg": "signal",
    "socket.connect": "network", "socket.sendto": "network", "socket.sendmsg": "network",
    "socket.getaddrinfo": "network", "socket.gethostbyname": "network",
    "socket.__new__": "socket",
}  # fmt: skip
