"""Running a file of unittest cases on a program, in the judged process."""

import ast
import builtins
import gc
import linecache
import sys
import types
from collections.abc import Callable
from typing import Any

from z1.verifiers.sandbox.watch import Report

_LONGEST_MESSAGE = 300


def new_module(name: str) -> types.ModuleType:
    """Return an empty module for a program, where imports and pickle find it."""
    module = types.ModuleType(name)
    module.__file__ = "program.py"
    module.__dict__["__builtins__"] = builtins
    sys.modules[name] = module
    return module


def run_tests(request: dict[str, Any], report: Report) -> None:
    """Run a file of tests on a program, in one process, for they patch and inspect it.

    A program could reach into its own tests. It is kept from the simple ways: what it changes
    in unittest is put back before they run and refused if it is changed when they have run; each
    run ends with tests that must fail, and do not where asserting was made void; objects that are
    equal to everything are refused; the outcome
    carries a token that the program was never given and counts every test by name. A program that
    searches its own process for all this still finds it.
    """
    import unittest
    import unittest.mock

    token = request["token"]
    del request["token"]
    outcome: dict[str, str] = {}
    _close_ways_out(request["code"])
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
            # A program that raises SkipTest has not passed; a file that skips says so.
            self._note(test, "ok" if "skip" in tests.casefold() else "error SkipTest")

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
    space = new_module("program").__dict__
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
    tampered = changed(put_back=True) or _equal_to_everything()
    if len(outcome) != 5 or "ok" in outcome.values():
        tampered = "assertions"
    report({"token": token, "tests": ran, "count": count, "tampered": tampered})


def _close_ways_out(tests: str) -> None:
    """Take from unittest what lets a test end early as passed, unless the tests use it."""
    import unittest.case
    import unittest.mock

    call = unittest.TestCase._callTestMethod  # type: ignore[attr-defined]
    stop = unittest.case._ShouldStop  # type: ignore[attr-defined]

    def call_whole(self: unittest.TestCase, method: Callable[[], None]) -> None:
        try:
            call(self, method)
        except stop as error:
            raise RuntimeError("the test was stopped") from error

    unittest.TestCase._callTestMethod = call_whole  # type: ignore
    if "ANY" not in tests:
        unittest.mock._ANY.__eq__ = object.__eq__  # type: ignore


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


def _equal_to_everything() -> str | None:
    """Return a class of the program's whose objects claim to be equal to whatever there is."""
    kinds: list[Any] = [item for item in gc.get_objects() if isinstance(item, type)]
    for kind in kinds:
        code = getattr(vars(kind).get("__eq__"), "__code__", None)
        if code is None or code.co_filename != "program.py":
            continue
        try:
            if kind.__eq__(kind.__new__(kind), object()) is True:
                return f"{kind.__name__} is equal to everything"
        except Exception:  # of an object that was not initialised, or that looks at the other
            continue
    return None


def _runs(item: Any) -> bool:
    return callable(item) or isinstance(item, staticmethod | classmethod | property)
