"""Training problems that ask what an evaluation problem asks."""

import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from z1.errors import InputError
from z1.problems.decontamination import TEMPLATE_ABOVE, find_contaminated
from z1.recipe import BenchmarkSource, Decontamination, FileSource, Problems, Splits
from z1.stages import Work
from z1.stages.problems import run

FIXTURES = Path(__file__).parents[2] / "fixtures" / "benchmarks"
LONG = "A farmer has 12 cows and sells 5 of them to a neighbour who then gives 2 away."


def table(*questions: str) -> pl.DataFrame:
    where = [str(number) for number in range(len(questions))]
    schema = {"question": pl.String, "where": pl.String}
    return pl.DataFrame({"question": questions, "where": where}, schema=schema)


def contaminated(training: list[str], evaluation: list[str], size: int = 13) -> list[tuple]:
    found = find_contaminated(table(*training), table(*evaluation), size)
    return found.select("where", "against").rows()


WORDS = st.lists(st.sampled_from(["a", "b", "cd", "E", "7", "é", "中"]), max_size=12)
GLUE = st.sampled_from([" ", ", ", "\n", " $", "-"])


@given(
    training=st.lists(st.tuples(WORDS, GLUE), max_size=6),
    evaluation=st.lists(st.tuples(WORDS, GLUE), max_size=3),
    size=st.integers(1, 5),
)
@example([(["a", "b"], " "), (["b", "a"], " ")], [(["E", "a", "B"], "-")], 2)
def test_a_problem_is_dropped_just_if_it_shares_a_run_of_words(training, evaluation, size):
    def runs(words: list[str]) -> set[tuple[str, ...]]:
        lower = [word.lower() for word in words]
        return {tuple(lower[i : i + size]) for i in range(len(lower) - size + 1)}

    def squeezed(text: str) -> str:
        return "".join(text.lower().split()).replace("$", "")

    asked = [(runs(words), squeezed(glue.join(words))) for words, glue in evaluation]
    expected = []
    for number, (words, glue) in enumerate(training):  # too few for a template
        mine, text = runs(words), squeezed(glue.join(words))
        hits = [str(i) for i, (theirs, other) in enumerate(asked) if mine & theirs or text == other]
        expected += [(str(number), hits[0])] if hits else []
    texts = [[glue.join(words) for words, glue in side] for side in (training, evaluation)]
    assert contaminated(*texts, size) == expected


def test_thirteen_words_in_another_wrapping_are_found():
    words = LONG.split()
    shared = "Solve this: " + ", ".join(words[2:15]).upper() + "!? Explain."
    assert contaminated([shared], ["Nothing here.", LONG]) == [("0", "1")]
    twelve = "Solve this: " + " ".join(words[2:14]) + " of something else entirely, my friend."
    assert contaminated([twelve], [LONG]) == []


def test_short_problems_are_compared_whole():
    same = ["what is  $12+3$", "What is 12 + 3?"]
    other = ["What is 12 - 3?", "What is 1 + 23 + 0?", "So what is 12 + 3?", "What is 1.2 + 3?"]
    assert contaminated([*same, *other], ["What is 12 + 3?"]) == [("0", "0"), ("1", "0")]
    assert contaminated(["What is 5?"], ["What is 5!"]) == []


def test_characters_without_spaces_are_words():
    question = "小明有十二个苹果他给了小红五个又买了三个"
    assert contaminated(["请问:" + question], [question]) == [("0", "0")]
    assert contaminated(["小明有三本书"], [question]) == []


def test_words_of_a_template_drop_nothing_but_what_is_the_same():
    rng = random.Random(0)

    def put(number: int) -> str:
        start = "Here is a list of numbers, and you are asked to find the sum of all: "
        return start + " ".join(str(rng.randrange(10**6)) for _ in range(20)) + f" {number}"

    evaluation = [put(i) for i in range(3)]
    training = [put(i) for i in range(TEMPLATE_ABOVE + 5)]
    assert contaminated(training, evaluation) == []
    copied = [*training, f"So: {evaluation[1][40:]}"]
    assert contaminated(copied, evaluation) == [(str(len(training)), "1")]
    # Of a single problem, copied however often, every copy is found.
    copies = [f"{LONG} Variant {i}" for i in range(2 * TEMPLATE_ABOVE)]
    assert len(contaminated(copies, [LONG, *evaluation])) == len(copies)


@pytest.fixture
def gathered(tmp_path, demo):
    """Run the problems stage on a file for training and two for the evaluation."""

    def write(name, prompts):
        rows = [{"prompt": prompt, "answer": "1", "verifier": "exact"} for prompt in prompts]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    bean = "Mia fills 3 jars with 12 beans each and finds 5 more beans. How many beans has she?"
    training = write(
        "training.jsonl",
        [f"plain {i}" for i in range(40)] + [LONG + " How many?", f"Hard! {bean}", "x = 3. What?"],
    )
    evaluation = write("evaluation.jsonl", [LONG, *(f"test {i}" for i in range(5))])
    later = write("later.jsonl", ["$X=3$. What?"])

    def go(decontaminate):
        splits = Splits(evaluation=0, seed=0.4, train=0.3, iteration=0.3)
        sources = [
            FileSource(kind="file", path=training),
            FileSource(kind="file", path=evaluation, split="evaluation"),
            BenchmarkSource(kind="benchmark", name="gsm8k", path=FIXTURES / "gsm8k.jsonl"),
        ]
        section = Problems(sources=sources, splits=splits, **decontaminate)
        output = tmp_path / "problems"
        metrics = run(Work(demo, section, {}, {}, output, "problems"))
        rest = pl.concat(
            pl.read_parquet(output / f"{name}.parquet") for name in ("seed", "train", "iteration")
        )
        return metrics, set(rest["prompt"]), len(pl.read_parquet(output / "evaluation.parquet"))

    against = Decontamination(against=[FileSource(kind="file", path=later)])
    return lambda *given: go({"decontaminate": against, **dict(given)})


def test_the_problems_stage_drops_and_counts_them(gathered):
    metrics, prompts, tests = gathered()
    assert prompts == {f"plain {i}" for i in range(40)}
    assert tests == 6 + 3
    assert metrics.dropped["asks what an evaluation problem asks"] == 3
    examples = metrics.details["contaminated"]
    assert [Path(found["against"].split(",")[0]).name for found in examples] == [
        "evaluation.jsonl", "gsm8k.jsonl", "later.jsonl"
    ]  # fmt: skip
    assert metrics.kept == 49


def test_it_can_be_switched_off(gathered):
    metrics, prompts, _ = gathered(("decontaminate", None))
    assert len(prompts) == 43
    assert metrics.details["contaminated"] == []


def test_a_wrong_source_to_compare_with_is_named(gathered):
    wrong = Decontamination(against=[BenchmarkSource(kind="benchmark", name="gsm9k")])
    with pytest.raises(InputError, match=r"decontaminate\.against\.0: .*'gsm9k'.*math500"):
        gathered(("decontaminate", wrong))
