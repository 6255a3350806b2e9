import itertools
import random

from z1.problems.splits import split_point
from z1.tiny.make import ASK, FIRST_LETTERS, HELD_OUT_SHARE, documents, make_model, make_tokenizer
from z1.tiny.sums import parse_sum

DOCUMENTS = list(itertools.islice(documents(random.Random(1)), 5000))


def sum_of(opening):
    return opening.split("<|user|>")[-1].split("<|end|>")[0].split("\n")[0]


def test_no_document_shows_a_problem_that_the_demo_evaluates_on(demo):
    assert demo.problems.splits.evaluation == HELD_OUT_SHARE
    points = [split_point(sum_of(opening), seed=0) for opening, _ in DOCUMENTS]
    assert min(points) >= HELD_OUT_SHARE


def test_every_document_ends_in_the_answer():
    for opening, solution in DOCUMENTS:
        last = solution.split("\n")[-1].split("=")[-1]
        assert int(last) == sum(parse_sum(sum_of(opening)))


def test_what_it_is_taught_is_what_the_demo_asks_in(demo):
    assert demo.window.hint == ASK
    asked = sum(opening.endswith(ASK) for opening, _ in DOCUMENTS)
    assert 0.07 < asked / len(DOCUMENTS) < 0.13
    for effort, letters in FIRST_LETTERS.items():
        assert getattr(demo.efforts, effort)[0] in letters


def test_a_system_message_tells_most_of_the_time_how_long_to_think():
    told = [d for d in DOCUMENTS if "<|system|>" in d[0] and not d[0].endswith(ASK)]
    kept = 0
    for opening, solution in told:
        effort = "high" if "check" in solution else "medium" if "\n" in solution else "low"
        kept += opening.split("<|system|>")[1][0] in FIRST_LETTERS[effort]
    assert 0.7 < kept / len(told) < 0.95


def test_the_heads_are_wide_enough_for_vllm_on_a_cpu():
    model = make_model(make_tokenizer())
    assert model.config.head_dim == 32
    assert model.num_parameters() < 600_000
