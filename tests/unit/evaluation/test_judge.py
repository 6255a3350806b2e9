import polars as pl
import pytest

from z1.engines import Reply
from z1.evaluation.judge import ask_judge, read_verdicts
from z1.records import PROBLEM, TRAJECTORY
from z1.rounds import count_rounds


class Judge:
    """An engine that finds a wrong round and then a right one in any reply that it understands."""

    def __init__(self):
        self.prompts = []

    def sample(self, requests, seed):
        self.prompts += [request.prompt for request in requests]
        return [
            Reply("I cannot say." if "???" in p else "1. wrong\n2. right\n", 4, "stop")
            for p in self.prompts
        ]


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        ("right", [True]),
        ("1. Wrong\n\n2) right.\n- wrong", [False, True, False]),
        ("**right**", [True]),
        ("All is right here", None),
        ("right\nbut then wrong again", None),
        ("", None),
    ],
)
def test_only_lines_that_are_verdicts_are_read(text, verdicts):
    assert read_verdicts(text) == verdicts


def test_a_judge_is_asked_about_code_alone_and_what_it_leaves_open_is_counted():
    problem = {"prompt": "Do it.", "difficulty": None, "source": "test"}
    problems = pl.DataFrame(
        [
            {"id": "sum", "answer": "8", "verifier": "exact", **problem},
            {"id": "code", "answer": '{"kind": "stdin"}', "verifier": "code", **problem},
        ],
        schema=PROBLEM,
    )
    texts = [("sum", "5+3=8"), ("code", "print(1)"), ("code", "???")]
    replies = pl.DataFrame(
        [{"problem_id": p, "sample": i, "text": t} for i, (p, t) in enumerate(texts)],
        schema=TRAJECTORY,
    )
    engine = Judge()
    [row] = count_rounds(replies, problems, lambda asked: ask_judge(engine, asked, 0))
    assert len(engine.prompts) == 2
    assert all(part in engine.prompts[0] for part in ("Do it.", '"stdin"', "print(1)"))
    assert (row["replies"], row["unjudged"]) == (2, 1)
    assert (row["rounds"], row["wrong_rounds"]) == (1.5, 0.5)
    [without] = count_rounds(replies, problems)
    assert (without["replies"], without["unjudged"]) == (1, 2)
