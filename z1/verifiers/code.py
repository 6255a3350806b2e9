"""Code problems: does the program of a reply pass the reference's tests, in a sandbox?

The reference is an object: ``{"kind": "stdin", "tests": [{"input", "output"}]}`` for a script,
``{"kind": "call", "entry_point", "tests": [{"args", "expected"}]}`` for a function or a method of
the class ``Solution``, or ``{"kind": "unittest", "code"}`` for a file of unittest cases. The last
may have a ``head`` too: imports and definitions that the problem gives, below which a program that
fails alone is tried.
"""

import ast
from typing import Any

from z1.verifiers import HEAD, Verdict
from z1.verifiers.clock import paused
from z1.verifiers.outputs import decode, same_output, same_value
from z1.verifiers.programs import Wanted, find_program, free_names
from z1.verifiers.reference import AnswerError, shown
from z1.verifiers.sandbox import Limits, Outcome, Sandbox, opened


def check(answer: Any, text: str) -> Verdict:
    """Return the verdict on a reply: its program must pass all tests.

    The details have ``sandbox``, the isolation that the program ran in; ``test``, the first test
    that it failed (its number from 1, or its name); ``cause``: ``wrong answer``, ``exception``,
    ``time``, ``memory``, ``output``, ``forbidden`` or ``no program``; ``blocked``, what it
    tried that the sandbox refuses, which by itself makes nothing wrong; and ``head``, true of a
    program that is right below the reference's head only.

    Raises AnswerError if the reference is not such an object, InputError if there is no sandbox
    to be had here.
    """
    check_reference(answer)
    program = find_program(text, _wanted(answer))
    if program is None:
        return Verdict("wrong", "the reply holds no such program", {"cause": "no program"})
    # The sandbox keeps its own time.
    with paused(), opened() as (sandbox, limits):
        return _judge(answer, program, sandbox, limits)


def _judge(answer: dict[str, Any], program: str, sandbox: Sandbox, limits: Limits) -> Verdict:
    details: dict[str, Any] = {"sandbox": sandbox.isolation}
    blocked: list[str] = []

    def finish(test: int | str | None, cause: str, message: str) -> Verdict:
        place = "" if test is None else f"test {test}: "
        reason = f"{place}{cause}" + (f": {message}" if message else "")
        if test is not None:
            details["test"] = test
        _note(blocked, details)
        return Verdict("wrong", reason, {**details, "cause": cause})

    if answer["kind"] == "unittest":
        head = answer.get("head", "")
        for tried in (program, f"{head}\n{program}") if head else (program,):
            found = sandbox.run_tests(tried, answer["code"], limits)
            blocked += [what for what in found.blocked if what not in blocked]
            failure = _failing(answer["code"], found)
            if failure is None or failure[1] not in ("exception", "wrong answer"):
                break
        if failure:
            return finish(*failure)
        if tried != program:
            details[HEAD] = True
    else:
        for number, test in enumerate(answer["tests"], 1):
            if answer["kind"] == "stdin":
                found = sandbox.run_script(program, test["input"], limits)
                difference = _printed_otherwise(test["output"], found)
            else:
                found = sandbox.run_call(program, _entry_point(answer), test["args"], limits)
                difference = _returned_otherwise(test["expected"], found)
            blocked += [what for what in found.blocked if what not in blocked]
            if found.cause:
                return finish(number, found.cause, found.message)
            if difference:
                return finish(number, "wrong answer", difference)
    _note(blocked, details)
    return Verdict("right", None, details)


def _note(blocked: list[str], details: dict[str, Any]) -> None:
    if blocked:
        details["blocked"] = blocked


def _printed_otherwise(expected: str, found: Outcome) -> str | None:
    if same_output(expected, found.output):
        return None
    return f"it printed {shown(found.output)}, not {shown(expected)}"


def _returned_otherwise(expected: Any, found: Outcome) -> str | None:
    if "result" not in found.report:
        missing = found.report.get("missing")
        return f"it defines no {missing}" if missing else "it returned nothing that can be read"
    try:
        given = decode(found.report["result"])
    except (ValueError, RecursionError):
        return "it returned nothing that can be read"
    if same_value(expected, given):
        return None
    try:
        returned = shown(repr(given))
    except ValueError:  # Python does not write out a number of that size
        returned = "a number of thousands of digits"
    return f"it returned {returned}, not {shown(expected)}"


def _failing(code: str, found: Outcome) -> tuple[str | None, str, str] | None:
    """Return the failing test, cause and message of a run of a file of tests; None if all passed.

    Every test that the file's text shows has to have run, whatever the program says.
    """
    if found.cause:
        return None, found.cause, found.message
    ran = found.report.get("tests")
    if not isinstance(ran, dict):
        return None, "exception", "it ended before its tests had run"
    if tampered := found.report.get("tampered"):
        return None, "forbidden", f"it changed what checks it: {tampered}"
    for name in _tests(code):
        if name not in ran:
            return name, "exception", "it did not run"
    for name, outcome in ran.items():
        if outcome != "ok":
            kind, _, message = str(outcome).partition(" ")
            cause = "wrong answer" if kind == "failure" else "exception"
            return name, "memory" if message.startswith("MemoryError") else cause, message
    if not ran:
        raise AnswerError("the reference's code has no test that runs")
    return None


def _tests(code: str) -> list[str]:
    """Return the names of the tests in a file's own unittest cases."""
    cases: set[str] = set()
    found = []
    for case in ast.parse(code).body:
        if not isinstance(case, ast.ClassDef):
            continue
        bases = [ast.unparse(base) for base in case.bases]
        if any(base.endswith("TestCase") or base in cases for base in bases):
            cases.add(case.name)
            found += [
                f"{case.name}.{test.name}"
                for test in case.body
                if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef)
                and test.name.startswith("test")
            ]
    return found


def _entry_point(answer: dict[str, Any]) -> str:
    return str(answer["entry_point"]).replace("()", "")


def _wanted(answer: dict[str, Any]) -> Wanted:
    if answer["kind"] == "stdin":
        return Wanted()
    if answer["kind"] == "call":
        owner, _, name = _entry_point(answer).rpartition(".")
        return Wanted(frozenset([name]), owner or "Solution")
    return Wanted(free_names(answer["code"]))


def check_reference(answer: Any) -> None:
    """Raise AnswerError that says what is wrong with a reference, if anything is."""
    kind = answer.get("kind") if isinstance(answer, dict) else None
    if kind not in ("stdin", "call", "unittest"):
        raise AnswerError(
            "the reference must be an object with kind stdin, call or unittest, not "
            f"{shown(answer)}"
        )
    if kind == "unittest":
        try:
            if not _tests(answer["code"]):
                raise AnswerError("the reference's code has no unittest case with tests")
            ast.parse(answer.get("head", ""))
        except (KeyError, TypeError, SyntaxError, ValueError) as error:
            if isinstance(error, AnswerError):
                raise
            raise AnswerError(
                "the reference needs code, a file of unittest cases; a head is Python too"
            ) from error
        return
    if kind == "call" and not isinstance(answer.get("entry_point"), str):
        raise AnswerError("the reference needs entry_point, the function to call")
    tests = answer.get("tests")
    needs = {"input": str, "output": str} if kind == "stdin" else {"args": list, "expected": object}
    if not (isinstance(tests, list) and tests):
        raise AnswerError("the reference needs tests, at least one")
    for number, test in enumerate(tests, 1):
        for key, kind_of in needs.items():
            if not (isinstance(test, dict) and key in test and isinstance(test[key], kind_of)):
                raise AnswerError(f"test {number} of the reference needs {key}")
