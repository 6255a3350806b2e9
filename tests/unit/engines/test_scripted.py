import pytest

from z1.engines import Request
from z1.engines.scripted import ScriptedTeacher
from z1.errors import InputError
from z1.recipe import BaseModelSection
from z1.records import EFFORTS

TINY = BaseModelSection(path="tiny")


def test_more_effort_is_more_thinking():
    teacher = ScriptedTeacher(0.0, TINY)
    replies = teacher.sample([Request("23 + 45 + 61", effort) for effort in EFFORTS], seed=0)
    assert all(reply.text.endswith("129") for reply in replies)
    low, medium, high = (reply.thinking_tokens for reply in replies)
    assert low < medium < high
    assert low == len("23+45=68+61=129")


def test_slips_come_from_the_seed():
    requests = [Request("23 + 45 + 61", "medium")] * 50
    teacher = ScriptedTeacher(0.2, TINY)
    assert teacher.sample(requests, 1) == teacher.sample(requests, 1)
    assert teacher.sample(requests, 1) != teacher.sample(requests, 2)
    wrong = [r for r in teacher.sample(requests, 1) if not r.text.endswith("\n129")]
    assert 5 < len(wrong) < 40


def test_it_says_what_it_cannot_do():
    with pytest.raises(InputError, match=r"capital.*teacher\.engine"):
        ScriptedTeacher(0.0, TINY).sample([Request("What is the capital?", "low")], 0)


def test_asked_for_no_effort_it_thinks_as_long_as_the_sum_needs():
    prompts = ["23 + 45", "23 + 45 + 61", "1 + 2 + 3 + 4 + 5"]
    replies = ScriptedTeacher(0.0, TINY).sample([Request(p, None) for p in prompts], seed=0)
    assert [reply.text for reply in replies[:2]] == ["23+45=68", "23+45=68\n68+61=129\n129"]
    assert "check" in replies[2].text
