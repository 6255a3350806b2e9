"""The select stage on folders as earlier stages write them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from z1.errors import InputError
from z1.recipe import Recipe, Selection
from z1.records import EFFORTS, EXAMPLE, PAIR, PROBLEM, VERIFIED, scan, write_part
from z1.selection import texts
from z1.stages import run_stage

Row = tuple[str, str | None, int, int, str]  # problem, effort, sample, tokens, verdict

SEED: list[Row] = [
    ("seed-0", "low", 0, 40, "right"),  # asked for least, came out longest
    ("seed-0", "medium", 0, 20, "right"),
    ("seed-0", "high", 0, 30, "right"),
    ("seed-1", "low", 0, 10, "right"),
    ("seed-1", "medium", 0, 20, "wrong"),
    ("seed-1", "high", 0, 30, "right"),
    ("seed-2", "low", 0, 10, "right"),
    ("seed-2", "medium", 0, 12, "right"),
    ("seed-2", "high", 0, 30, "right"),
]
TRAIN: list[Row] = [
    ("train-0", "low", 0, 5, "wrong"),
    ("train-0", "medium", 0, 20, "right"),
    ("train-0", "high", 0, 60, "right"),
    ("train-1", "low", 0, 4, "right"),
    ("train-1", "medium", 0, 22, "right"),
    ("train-1", "high", 0, 70, "wrong"),
    ("train-2", "low", 0, 4, "wrong"),
    ("train-2", "medium", 0, 22, "error"),
]


def say(problem: str, effort: str | None, sample: int) -> str:
    return f"what {problem} got at {effort} {sample}"


def write_replies(folder: Path, rows: list[Row], parts: int = 2) -> Path:
    for number in range(parts):
        content: list[dict[str, Any]] = [
            {
                "problem_id": problem,
                "effort": effort,
                "sample": sample,
                "text": say(problem, effort, sample),
                "thinking_tokens": tokens,
                "finish_reason": "stop",
                "verdict": verdict,
                "reason": None,
            }
            for problem, effort, sample, tokens, verdict in rows[number::parts]
        ]
        write_part(content, folder / f"part-{number:05d}.parquet", VERIFIED)
    return folder


def select(
    recipe: Recipe,
    rule: str,
    output: Path,
    min_gap: int = 5,
    with_seed: bool = True,
    **inputs: Path,
) -> tuple[dict[str, Any], pl.DataFrame]:
    section = Selection(min_gap=min_gap, with_seed=with_seed)
    recipe = recipe.model_copy(update={"select": section})
    record = run_stage("select", recipe, "select", inputs, output, {"rule": rule})
    return record, scan(output, PAIR if rule == "pairs" else EXAMPLE).collect()


@pytest.fixture
def seed_set(demo: Recipe, sums_folder: Path, tmp_path: Path) -> Path:
    replies = write_replies(tmp_path / "seed-verdicts", SEED)
    select(demo, "seed", tmp_path / "seed", replies=replies, problems=sums_folder)
    return tmp_path / "seed"


def test_seed_writes_three_examples_a_problem(
    demo: Recipe, sums_folder: Path, tmp_path: Path
) -> None:
    replies = write_replies(tmp_path / "replies", SEED)
    record, rows = select(demo, "seed", tmp_path / "out", replies=replies, problems=sums_folder)
    assert rows.sort("effort").rows() == [
        ("seed-0", "12 + 20", say("seed-0", asked, 0), tokens, effort, asked)
        for effort, asked, tokens in [
            ("low", "medium", 20),
            ("medium", "high", 30),
            ("high", "low", 40),
        ]
    ]
    assert (record["kept"], record["dropped"], record["unit"]) == (1, 2, "problems")
    assert record["reasons"] == {"gap too small": 1, "not right at every effort": 1}
    details = record["details"]
    assert (details["problems_seen"], details["problems_kept"], details["rows"]) == (3, 1, 3)
    assert details["mean_tokens"] == 30
    assert details["mean_tokens_by_difficulty"] == {"2 numbers": 30}
    assert details["effort_ranks"] == {  # of seed-0 and seed-2, both right at every effort
        "low": {"shortest": 1, "middle": 0, "longest": 1},
        "medium": {"shortest": 1, "middle": 1, "longest": 0},
        "high": {"shortest": 0, "middle": 1, "longest": 1},
    }
    assert details["selected_efforts"] == {"low": 1, "medium": 1, "high": 1}


def test_shortest_adds_the_low_reply_of_each_seed_problem(
    demo: Recipe, sums_folder: Path, seed_set: Path, tmp_path: Path
) -> None:
    inputs = {"replies": write_replies(tmp_path / "r", TRAIN), "problems": sums_folder}
    record, rows = select(demo, "shortest", tmp_path / "out", seed=seed_set, **inputs)
    assert {(row["problem_id"], row["text"]) for row in rows.to_dicts()} == {
        ("seed-0", say("seed-0", "medium", 0)),
        ("train-0", say("train-0", "medium", 0)),
        ("train-1", say("train-1", "low", 0)),
    }
    assert rows["effort"].null_count() == 3
    assert record["details"]["selected_efforts"] == {"low": 1, "medium": 2}
    assert record["reasons"] == {"no right reply": 1}
    for name, more in [("without", {}), ("off", {"seed": seed_set, "with_seed": False})]:
        _, fewer = select(demo, "shortest", tmp_path / name, **inputs, **more)  # type: ignore[arg-type]
        assert set(fewer["problem_id"]) == {"train-0", "train-1"}


def test_random_adds_any_reply_of_each_seed_problem(
    demo: Recipe, sums_folder: Path, seed_set: Path, tmp_path: Path
) -> None:
    inputs = {"replies": write_replies(tmp_path / "r", TRAIN), "problems": sums_folder}
    drawn: dict[str, set[str]] = {}
    for seed in range(25):
        recipe = demo.model_copy(update={"seed": seed})
        _, rows = select(recipe, "random", tmp_path / f"{seed}", seed=seed_set, **inputs)
        for problem, text in rows.select("problem_id", "text").iter_rows():
            drawn.setdefault(problem, set()).add(text)
    assert drawn == {
        "seed-0": {say("seed-0", effort, 0) for effort in EFFORTS},
        "train-0": {say("train-0", effort, 0) for effort in ("medium", "high")},
        "train-1": {say("train-1", effort, 0) for effort in ("low", "medium")},
    }


@pytest.mark.parametrize("small", [False, True])
def test_pairs_hold_both_texts(
    demo: Recipe, sums_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    if small:  # many buckets and spills
        monkeypatch.setattr(texts, "BUCKET_TOKENS", 1)
        monkeypatch.setattr(texts, "SPILL_BYTES", 0)
    replies: list[Row] = [
        ("iteration-1", None, 0, 30, "right"),
        ("iteration-1", None, 1, 20, "right"),
        ("iteration-1", None, 2, 90, "wrong"),
        ("iteration-1", None, 3, 10, "wrong"),
        ("iteration-0", None, 0, 30, "right"),
        ("iteration-0", None, 1, 40, "wrong"),
        ("iteration-2", None, 0, 40, "right"),
        ("iteration-3", None, 0, 40, "wrong"),
    ]
    folder = write_replies(tmp_path / "r", replies, parts=3)
    record, rows = select(demo, "pairs", tmp_path / "out", replies=folder, problems=sums_folder)
    first, second = (say("iteration-1", None, sample) for sample in (2, 3))
    best = say("iteration-1", None, 1)
    assert rows.rows() == [
        (
            "iteration-0",
            "14 + 20",
            say("iteration-0", None, 0),
            say("iteration-0", None, 1),
            30,
            40,
            "longest-wrong",
        ),
        ("iteration-1", "14 + 21", best, first, 20, 90, "longest-wrong"),
        ("iteration-1", "14 + 21", best, second, 20, 10, "shortest-wrong"),
    ]
    assert (record["kept"], record["dropped"], record["unit"]) == (2, 2, "problems")
    assert record["reasons"] == {"no right reply": 1, "no wrong reply": 1}
    assert record["details"]["rows"] == 3
    assert record["details"]["problems_kept"] == 2
    assert record["details"]["pair_rules"] == {"longest-wrong": 2, "shortest-wrong": 1}
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {f"part-{n:05d}.parquet" for n in range(3 if small else 1)} | {"stage.json"}


@pytest.mark.parametrize("rule", ["seed", "shortest", "random", "pairs"])
def test_row_order_of_the_replies_changes_nothing(
    demo: Recipe, sums_folder: Path, tmp_path: Path, rule: str
) -> None:
    outputs = []
    for number, rows in enumerate([SEED + TRAIN, (SEED + TRAIN)[::-1]]):
        folder = write_replies(tmp_path / f"r{number}", rows, parts=1 + number)
        output = tmp_path / f"out{number}"
        outputs.append(select(demo, rule, output, replies=folder, problems=sums_folder)[1])
    assert outputs[0].equals(outputs[1])


@pytest.mark.parametrize(
    ("rule", "rows", "message"),
    [
        (
            "seed",
            SEED,
            r"'seed' kept none of 3 problems \(2 gap too small, 1 not .*min_gap, now 50",
        ),
        ("shortest", TRAIN[-2:], r"'shortest' kept none of 1 problems \(1 no right reply\)"),
        ("random", TRAIN[-2:], r"'random' kept none of 1 problems \(1 no right reply\)"),
        ("pairs", SEED[:3], r"'pairs' kept none of 1 problems \(1 no wrong reply\); pairs need"),
    ],
)
def test_an_empty_selection_is_an_error_that_leaves_the_output(
    demo: Recipe, sums_folder: Path, tmp_path: Path, rule: str, rows: list[Row], message: str
) -> None:
    good = write_replies(tmp_path / "good", SEED + TRAIN)
    before = select(demo, rule, tmp_path / "out", replies=good, problems=sums_folder)[1]
    bad = write_replies(tmp_path / "bad", rows)
    with pytest.raises(InputError, match=message):
        select(demo, rule, tmp_path / "out", min_gap=50, replies=bad, problems=sums_folder)
    schema = PAIR if rule == "pairs" else EXAMPLE
    assert scan(tmp_path / "out", schema).collect().equals(before)


def test_replies_to_unknown_problems_and_unknown_rules_are_refused(
    demo: Recipe, sums_folder: Path, tmp_path: Path
) -> None:
    replies = write_replies(tmp_path / "r", [("elsewhere", "low", 0, 3, "right")])
    with pytest.raises(InputError, match=r"1 replies are to problems .* such as 'elsewhere'"):
        select(demo, "shortest", tmp_path / "out", replies=replies, problems=sums_folder)
    with pytest.raises(InputError, match="rule=best: no such selection rule; there are seed"):
        select(demo, "best", tmp_path / "out", replies=replies, problems=sums_folder)


def test_a_subset_by_tokens_counts_replies(demo: Recipe, sums_folder: Path, tmp_path: Path) -> None:
    replies = write_replies(tmp_path / "r", TRAIN)
    recipe = demo.model_copy(update={"select": Selection(tokens=30, order="shortest")})
    inputs = {"replies": replies, "problems": sums_folder}
    record = run_stage("select", recipe, "select", inputs, tmp_path / "out", {"rule": "tokens"})
    # 4 + 4 + 5 tokens of three problems; 20 more would be too many.
    assert (record["kept"], record["dropped"], record["unit"]) == (3, 5, "replies")
    assert record["details"]["problems_kept"] == 3


def test_a_problem_without_difficulty_is_counted_under_none(demo: Recipe, tmp_path: Path) -> None:
    problem = {
        "id": "p",
        "prompt": "1 + 1",
        "answer": "2",
        "verifier": "exact",
        "difficulty": None,
        "source": "test",
    }
    write_part([problem], tmp_path / "problems" / "train.parquet", PROBLEM)
    replies = write_replies(tmp_path / "r", [("p", "low", 0, 3, "right")])
    record, _ = select(
        demo, "shortest", tmp_path / "out", replies=replies, problems=tmp_path / "problems"
    )
    assert record["details"]["mean_tokens_by_difficulty"] == {"none": 3}


def test_rounds_of_right_replies_are_counted_by_effort(
    demo: Recipe, sums_folder: Path, tmp_path: Path
) -> None:
    texts = {  # the problem is 13 + 20
        "low": "13+20=33",
        "medium": "13+20=32\ncheck\n20+13=33",
        "high": "13+20=32\ncheck\n20+13=34\nagain\n13+20=33",
    }
    rows: list[Row] = [("train-0", effort, 0, 5, "right") for effort in EFFORTS]
    rows.append(("train-1", "low", 0, 5, "wrong"))  # of right replies alone
    folder = write_replies(tmp_path / "replies", rows, parts=1)
    written = scan(folder, VERIFIED).collect()
    text = pl.col("effort").cast(pl.String).replace_strict(texts)
    write_part(written.with_columns(text=text), folder / "part-00000.parquet", VERIFIED)
    section = Selection(rounds=True)
    recipe = demo.model_copy(update={"select": section})
    inputs = {"replies": folder, "problems": sums_folder}
    output = tmp_path / "out"
    record = run_stage("select", recipe, "select", inputs, output, {"rule": "shortest"})
    found = {row["effort"]: row for row in record["details"]["rounds"]}
    assert {effort: row["replies"] for effort, row in found.items()} == dict.fromkeys(EFFORTS, 1)
    assert [found[effort]["rounds"] for effort in EFFORTS] == [1, 2, 3]
    assert [found[effort]["wrong_rounds"] for effort in EFFORTS] == [0, 1, 2]
    assert found["high"]["wrong_share"] == pytest.approx(2 / 3)
    plain, _ = select(demo, "shortest", tmp_path / "plain", **inputs)
    assert "rounds" not in plain["details"]
