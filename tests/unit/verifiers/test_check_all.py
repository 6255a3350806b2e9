"""Many replies at once, in processes that may hang or die."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from z1.errors import InputError
from z1.records import PROBLEM, TRAJECTORY, VERIFIED
from z1.verifiers import VERIFIERS, Verdict, check_all, load, pool, verify_frame

HANGS = r"\boxed{(x+y+z)^{500}}"


def test_every_registered_verifier_has_a_check() -> None:
    assert all(callable(load(name).check) for name in VERIFIERS)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=200))
def test_verdicts_come_in_the_order_of_the_items(cases: list[tuple[int, bool]]) -> None:
    items = [("exact", number, str(number if right else number + 1)) for number, right in cases]
    verdicts = [verdict.verdict for verdict in check_all(items)]
    assert verdicts == ["right" if right else "wrong" for _, right in cases]


def test_a_verifier_that_hangs_is_stopped_and_all_others_get_their_verdicts() -> None:
    items = [("math", number, f"\\boxed{{{number}}}") for number in range(70)]
    for place in (0, 1, 40, 69):
        items[place] = ("math", "x^2+1", HANGS)
    verdicts = check_all(items, limit=1)
    for place, verdict in enumerate(verdicts):
        if place in (0, 1, 40, 69):
            assert verdict == Verdict("error", "stopped after 1 s")
        else:
            assert verdict == Verdict("right", None)


def test_a_worker_that_dies_is_replaced() -> None:
    check_all([("exact", "a", "a")])  # leaves a worker waiting
    for worker in list(pool._idle):
        worker._process.kill()
        worker._process.wait()
    first, second = check_all([("exact", "a", "a"), ("exact", "b", "b")])
    assert first.verdict == "error"
    assert "died (SIGKILL)" in (first.reason or "")
    assert second == Verdict("right", None)


def test_a_reference_at_fault_is_an_error_and_a_missing_answer_is_wrong() -> None:
    bad, missing = check_all([("choice", "Paris", "B"), ("choice", "B", "")])
    assert bad.verdict == "error"
    assert "letter" in (bad.reason or "")
    assert missing.verdict == "wrong"


def test_an_unknown_verifier_is_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match="guess: no such verifier"):
        check_all([("exact", "a", "a"), ("guess", "a", "a")])


def test_progress_reaches_the_number_of_items() -> None:
    seen: list[int] = []
    check_all([("exact", "a", "a")] * 100, report=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_a_script_without_a_main_guard_can_check(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from z1.verifiers import check_all\n"
        "print(check_all([('exact', 'a', 'a')] * 40).count(('right', None)))\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=True,
    )
    assert done.stdout == "40\n"


def test_workers_import_no_torch() -> None:
    code = "import sys, z1.verifiers.worker; print('torch' in sys.modules, 'polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def problem(name: str, verifier: str, answer: str) -> dict[str, str]:
    return {"id": name, "prompt": name, "answer": answer, "verifier": verifier}


def reply(name: str, sample: int, text: str) -> dict[str, object]:
    return {"problem_id": name, "effort": "low", "sample": sample, "text": text}


def test_a_table_of_replies_is_joined_to_its_problems() -> None:
    problems = pl.DataFrame(
        [
            problem("a", "exact", '"yes"'),
            problem("b", "math", "0.5"),
            problem("c", "exact", "1"),
        ],
        schema=PROBLEM,
    )
    replies = pl.DataFrame(
        [reply("b", 0, "1/2"), reply("a", 0, "no"), reply("b", 1, ""), reply("a", 1, "Yes.")],
        schema=TRAJECTORY,
    )
    verified = verify_frame(replies, problems)
    assert verified.schema == VERIFIED
    assert verified["verdict"].to_list() == ["right", "wrong", "wrong", "right"]
    assert verified["reason"].is_null().to_list() == [True, False, False, True]
    assert verified.select(TRAJECTORY.names()).equals(replies)


def test_a_reply_to_an_unknown_problem_is_refused() -> None:
    replies = pl.DataFrame([reply("x", 0, "1")], schema=TRAJECTORY)
    with pytest.raises(InputError, match="x: 1 replies"):
        verify_frame(replies, pl.DataFrame(schema=PROBLEM))


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 6), ("250000 100000", 2), ("50000 100000", 1), (None, 6)]
)
def test_a_container_has_as_many_workers_as_its_limit_grants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, cores: int
) -> None:
    monkeypatch.setattr(pool, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(pool.os, "sched_getaffinity", lambda _: set(range(6)))
    if quota:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert pool._count_cores() == cores
