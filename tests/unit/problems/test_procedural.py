"""Problems that reasoning-gym makes."""

import json
from typing import Any

import pytest

from z1.errors import InputError
from z1.problems.procedural import read_procedural
from z1.recipe import ProceduralSource

KEY = "problems.sources.0"
SMALL = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}


def source(**changes: Any) -> ProceduralSource:
    fields = {"dataset": "chain_sum", "config": SMALL, "count": 20, "prompt": "{expression}"}
    return ProceduralSource(kind="procedural", **{**fields, **changes})


def test_prompts_are_distinct_and_answers_are_whole_entries() -> None:
    rows, dropped = read_procedural(source(count=100), KEY)
    assert rows["prompt"].n_unique() == len(rows) == 100
    assert not dropped
    for prompt, answer in rows.select("prompt", "answer").iter_rows():
        entry = json.loads(answer)
        assert entry["metadata"]["source_dataset"] == "chain_sum"
        left, sign, right = prompt.split()
        assert int(entry["answer"]) == int(left) + (1 if sign == "+" else -1) * int(right)
    assert set(rows["verifier"]) == {"procedural"}


def test_the_seed_decides_and_more_problems_keep_the_first() -> None:
    first = read_procedural(source(seed=5), KEY)[0]
    assert read_procedural(source(seed=5, count=40), KEY)[0].head(20).equals(first)
    assert not read_procedural(source(seed=10_000), KEY)[0].equals(first)


def test_the_prompt_follows_its_template() -> None:
    made = source(prompt="{{{num_terms}}} Q: {question}", count=1)
    prompt = read_procedural(made, KEY)[0]["prompt"][0]
    assert prompt.startswith("{2} Q: State the final answer")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "chain_sums"}, "dataset: reasoning-gym has no .*; did you mean 'chain_sum'"),
        ({"config": {"terms": 2}}, "config.terms: chain_sum has no such setting; it has min_terms"),
        ({"config": {"min_terms": 0}}, "config: reasoning-gym refuses it: min_terms must be"),
        ({"config": {"min_terms": "two"}}, "config: reasoning-gym refuses it"),
        ({"config": {"seed": 1}}, "config.seed: take it out"),
        ({"count": 1000}, "count: 21000 draws from chain_sum gave only 200 distinct"),
        ({"prompt": "{expr}"}, r"prompt: there is no field \{expr\}; there are .*expression"),
        ({"prompt": "{}"}, r"prompt: there is no field \{\}"),
        ({"prompt": "{question"}, "prompt: .*; a brace that is text is written twice"),
        ({"prompt": "{question:.0}"}, "prompt: the prompt of a problem comes out empty"),
        (
            {"dataset": "graph_color", "config": {}, "prompt": "{question}"},
            "dataset: graph_color gives no reference",
        ),
    ],
)
def test_a_wrong_key_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{KEY}.{message}"):
        read_procedural(source(**changes), KEY)
