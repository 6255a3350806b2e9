import hashlib
import json

import polars as pl
import pytest

from z1.evaluation.metrics import EVALUATED
from z1.evaluation.page import duration, effort_rankings, render_page, shorten, table_rows
from z1.evaluation.report import build_report, finding, order_stages, print_table, stage_entry
from z1.recipe import write_recipe
from z1.records import PROBLEM
from z1.verifiers import HEAD_NEEDED

LENGTHS = {"base": 30, "tag": None, "random": 50, "tops": 25, "iter-sft": 24, "iter-dpo": 23}
EFFORT_LENGTHS = {"low": 5, "medium": 36, "high": 71}


def record(step, stage, parents=(), **details):
    return {
        "stage": stage,
        "step": step,
        "key": f"key of {step}",
        "seconds": 1.5,
        "kept": 100,
        "dropped": 7,
        "unit": "problems",
        "reasons": {"no right reply": 7},
        "details": details,
        "parents": list(parents),
    }


def selection(step, rule, parents, tokens):
    return record(
        step,
        "select",
        parents,
        rule=rule,
        problems_seen=107,
        problems_kept=100,
        mean_tokens=tokens,
        effort_ranks={
            "low": {"shortest": 90, "middle": 6, "longest": 4},
            "medium": {"shortest": 10, "middle": 80, "longest": 10},
            "high": {"shortest": 0, "middle": 14, "longest": 86},
        },
        selected_efforts={"low": 50, "medium": 40, "high": 10},
    )


def records():
    problems = record("problems", "problems")
    replies = record("replies", "generate", [problems])
    verdicts = record("verdicts", "verify", [replies, problems])
    shortest = selection("shortest", "shortest", [verdicts, problems], 28.0)
    drawn = selection("random-right", "random", [verdicts, problems], 40.0)
    return {
        "problems": problems,
        "random": record("random", "sft", [drawn]),
        "tops": record("tops", "sft", [shortest]),
    }


def problems(count=12):
    rows = [
        {
            "id": f"p{i:02d}",
            "prompt": f"{i} + 1 < <b>?</b>",
            "answer": json.dumps({"answer": str(i + 1), "metadata": {}}),
            "verifier": "procedural",
            "difficulty": ("2 numbers", "10 numbers")[i % 2],
            "source": "test",
        }
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema=PROBLEM)


def replies(models=tuple(LENGTHS), seeds=(1, 2), cut=False, wrong=()):
    rows = []
    for model in models:
        for effort in EFFORT_LENGTHS if model == "tag" else [None]:
            for temperature, seed in [*((1.0, seed) for seed in seeds), (0.0, 0)]:
                for i, name in enumerate(problems()["id"]):
                    right = (model, name) not in wrong
                    tokens = LENGTHS[model] or EFFORT_LENGTHS[effort]
                    rows.append(
                        {
                            "model": model,
                            "temperature": temperature,
                            "seed": seed,
                            "problem_id": name,
                            "effort": effort,
                            "sample": 0,
                            "text": f"<i>by {model}</i>\n{i + 1 if right else 'none'}",
                            "thinking_tokens": tokens + 10 * (i % 2),
                            "finish_reason": "length" if cut else "stop",
                            "verdict": "right" if right else "wrong",
                            "reason": None,
                        }
                    )
    return pl.DataFrame(rows, schema=EVALUATED)


@pytest.fixture
def recipe(demo):
    section = demo.evaluate.model_copy(update={"resamples": 200})
    return demo.model_copy(update={"evaluate": section})


def report(recipe, **changes):
    made = build_report(recipe, replies(**changes), problems(), records())
    return json.loads(json.dumps(made, allow_nan=False))


def test_the_report_holds_what_was_promised(recipe):
    made = report(recipe)
    assert made["run"] == recipe.name
    digest = hashlib.sha256(write_recipe(recipe).encode()).hexdigest()
    assert made["recipe_sha256"] == digest
    names = ["base", "tag", "tag", "tag", "random", "tops", "iter-sft", "iter-dpo"]
    assert [m["name"] for m in made["models"] if m["temperature"] == 1] == names
    for model in made["models"]:
        assert type(model["problems"]) is int
        assert model["problems"] == 12
        assert model["seeds"] == (2 if model["temperature"] else 1)
        assert model["accuracy"] == 1
        assert model["accuracy_stderr"] == 0
        assert model["effort"] is None or model["name"] == "tag"
        assert list(model["by_difficulty"]) == ["2 numbers", "10 numbers"]
    assert made["comparison"]["token_ratio"]["value"] == pytest.approx(30 / 55)
    assert made["comparison"]["selected_tokens"]["ratio"] == pytest.approx(0.7)
    assert all(held["holds"] for held in made["checks"])
    assert len(made["checks"]) == 4


def test_every_stage_is_listed_once_after_its_parents():
    stages = order_stages(records().values())
    names = [stage["name"] for stage in stages]
    assert sorted(names) == sorted(
        ["problems", "replies", "verdicts", "shortest", "random-right", "tops", "random"]
    )
    for earlier, later in [
        ("problems", "replies"),
        ("replies", "verdicts"),
        ("verdicts", "shortest"),
        ("shortest", "tops"),
        ("random-right", "random"),
    ]:
        assert names.index(earlier) < names.index(later)
    assert stages[0]["seconds"] == 1.5
    assert (stages[0]["kept"], stages[0]["dropped"]) == (100, 7)


def test_a_model_that_no_stage_made_has_no_stages():
    bare = {"key": "k", "step": "my-model", "parents": []}
    assert order_stages([bare]) == []


def test_examples_show_an_easy_and_a_hard_problem_that_both_got_right(recipe):
    easy, hard = report(recipe, wrong={("tops", "p00"), ("tag", "p01")})["examples"]
    assert (easy["difficulty"], hard["difficulty"]) == ("2 numbers", "10 numbers")
    # p00 and p01 come first, but one of the two models has them wrong.
    assert easy["answer"] == "3"
    assert hard["answer"] == "4"
    assert [(r["model"], r["effort"]) for r in easy["replies"]] == [("tag", "high"), ("tops", None)]
    assert [r["thinking_tokens"] for r in hard["replies"]] == [81, 35]
    assert easy["all_right"]


def test_the_page_stands_alone_and_shows_all_there_is(recipe):
    page = render_page(report(recipe))
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert "<script" not in page
    assert "src=" not in page
    assert "@import" not in page
    assert page.count("<svg") == 6
    for text in ("Iter-DPO", "Tag medium", "random-right", "no right reply", "✓ holds", "0.70"):
        assert text in page
    assert "falls short" not in page


def test_what_models_and_people_wrote_is_escaped(recipe):
    made = report(recipe)
    made["run"] = "<script>alert(1)</script>"
    page = render_page(made)
    assert "<script" not in page
    assert "&lt;i&gt;by tops&lt;/i&gt;" in page
    assert "0 + 1 &lt; &lt;b&gt;?&lt;/b&gt;" in page
    assert "<i>by" not in page


def test_what_falls_short_is_said_in_words(recipe, capsys):
    wrong = {("tops", name) for name in problems()["id"][:6]}
    made = report(recipe, wrong=wrong)
    assert [c["name"] for c in made["checks"] if not c["holds"]] == ["accuracy-kept"]
    assert "✗ falls short" in render_page(made)
    assert "50.0 points lower" in finding(made)
    print_table(made)
    assert "FALLS SHORT" in capsys.readouterr().out


def test_few_problems_cut_replies_and_missing_models_are_remarked(recipe):
    made = report(recipe, models=("base", "tops"), cut=True)
    remarks = "\n".join(made["remarks"])
    assert "12 problems" in remarks
    assert "less than 500 problems" in remarks
    assert "100.0 % of the replies of TOPS were cut" in remarks
    assert "Not part of this run: Tag, Random-right, Iter-SFT, Iter-DPO." in remarks
    assert made["comparison"] is None


def test_the_page_leaves_out_what_the_run_has_not(recipe):
    made = report(recipe, models=("base",))
    made["stages"] = []
    page = render_page(made)
    for heading in ("Does it hold?", "answered twice", "What was selected"):
        assert heading not in page
    assert "All figures" in page
    flat = build_report(
        recipe,
        replies(models=("base", "tops")),
        problems().with_columns(difficulty=pl.lit(None, pl.String)),
        {},
    )
    assert "Easy problems, hard problems" not in render_page(flat)
    assert len(flat["examples"]) == 1


def test_a_row_of_the_table_joins_sampled_and_greedy_figures(recipe):
    rows = table_rows(report(recipe, models=("tag", "tops")))
    assert [row["model"]["effort"] for row in rows] == ["low", "medium", "high", None]
    assert [row["sampled"]["seeds"] for row in rows] == [2] * 4
    assert [row["greedy"]["temperature"] for row in rows] == [0] * 4


def test_efforts_ranked_on_the_same_replies_are_shown_once(recipe):
    (ranking,) = effort_rankings(report(recipe))
    assert sorted(ranking["steps"]) == ["random-right", "shortest"]
    assert ranking["problems"] == 100
    assert ranking["shares"]["low"] == {"shortest": 0.9, "middle": 0.06, "longest": 0.04}


def test_the_terminal_table_has_every_model_at_both_temperatures(recipe, capsys):
    print_table(report(recipe))
    printed = capsys.readouterr().out
    for text in ("temperature 1, 2 seeds", "temperature 0, 1 seed", "100.0 ± 0.0 %", "iter-dpo"):
        assert text in printed
    lines = [line for line in printed.splitlines() if "high" in line and "tag" in line]
    assert len(lines) == 2
    assert all("76.0" in line for line in lines)


def test_long_replies_and_times_are_written_for_people():
    assert shorten("short") == "short"
    shown = shorten("a" * 5000 + "b" * 5000)
    assert "[… 4,000 characters left out …]" in shown
    assert shown.startswith("aaa")
    assert shown.endswith("bbb")
    assert [duration(s) for s in (8.23, 250, 11100)] == ["8.2 s", "4 min 10 s", "3 h 5 min"]


def test_a_stage_is_entered_under_the_name_of_its_step():
    entry = stage_entry(record("tops", "sft"))
    assert (entry["name"], entry["stage"]) == ("tops", "sft")
    assert "parents" not in entry


def test_the_score_without_the_heads_of_problems_stands_beside_the_calibrated_one(recipe, capsys):
    known = replies(models=("base", "tops"))
    needs = (pl.col("model") == "tops") & (pl.col("problem_id") == "p00")
    reason = pl.when(needs).then(pl.lit(HEAD_NEEDED)).otherwise("reason")
    made = build_report(recipe, known.with_columns(reason=reason), problems(), records())
    (remark,) = [remark for remark in made["remarks"] if "calibrated" in remark]
    assert "TOPS is right on 100.0 %" in remark
    assert "91.7 % without" in remark
    print_table(made)
    assert "91.7 %" in capsys.readouterr().out
    assert "calibrated" not in " ".join(report(recipe)["remarks"])
