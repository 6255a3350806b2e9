from collections import Counter

import pytest

from z1.models import encode_prompt, load_tokenizer
from z1.recipe import BaseModelSection, Stop, Tags
from z1.training.rows import IGNORED, sft_rows
from z1.training.variants import (
    answer_text,
    masked,
    split_answer,
    stopped,
    tagged,
    with_opening,
)

HINT = "\nanswer\n"
TEXT = "23+45=68\n68+7=75\n75"


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(BaseModelSection(path="tiny"))


def examples(count=200):
    return [
        {"problem_id": f"p{i}", "prompt": "23 + 45 + 7", "text": TEXT, "effort": None}
        for i in range(count)
    ]


def rows(tokenizer, given, share=0.5, seed=0, answer="75"):
    counts = Counter()
    answers = {example["problem_id"]: answer for example in given}
    divide = stopped(Stop(share=share), HINT, answers, seed, counts)
    return sft_rows(tokenizer, given, 200, divide)[0], counts


def parts(tokenizer, row):
    """What a row only reads and what it learns, without the prompt."""
    prompt = len(encode_prompt(tokenizer, "23 + 45 + 7", None))
    start = next(i for i, label in enumerate(row["labels"]) if label != IGNORED)
    assert row["labels"][start:] == row["input_ids"][start:]
    ids = row["input_ids"]
    return tokenizer.decode(ids[prompt:start]), tokenizer.decode(ids[start:])


def test_a_cut_reply_goes_on_with_hint_and_reference_and_learns_the_answer_alone(tokenizer):
    made, counts = rows(tokenizer, examples(), share=1)
    assert counts == {"cut": 200}
    budgets = set()
    for row in made:
        read, learnt = parts(tokenizer, row)
        thinking = read.removesuffix(HINT)
        assert learnt == "75<|end|>"
        assert read != thinking
        assert TEXT.startswith(thinking)
        budgets.add(len(thinking))  # a character is a token
    assert budgets == set(range(len(TEXT) + 1))


def test_a_share_is_cut_and_the_rest_stays_whole(tokenizer):
    made, counts = rows(tokenizer, examples(), share=0.25)
    assert 30 < counts["cut"] < 70
    assert counts["cut"] + counts["whole"] == 200
    whole, _ = sft_rows(tokenizer, examples(1), 200)
    assert made.count(whole[0]) == counts["whole"]
    assert rows(tokenizer, examples(), share=0)[0] == whole * 200


def test_cuts_hang_on_seed_and_problem_alone(tokenizer):
    made, _ = rows(tokenizer, examples())
    assert rows(tokenizer, examples())[0] == made
    assert rows(tokenizer, examples()[100:])[0] == made[100:]
    assert rows(tokenizer, examples(), seed=1)[0] != made


def test_a_problem_without_a_reference_in_words_is_not_cut(tokenizer):
    made, counts = rows(tokenizer, examples(), share=1, answer=None)
    assert made == sft_rows(tokenizer, examples(), 200)[0]
    assert counts == {"whole, having no reference in words": 200}


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ('"68"', "68"),
        ("68", "68"),
        ("0.5", "0.5"),
        ('{"question": "?", "answer": "68", "metadata": {}}', "68"),
        ('{"question": "?", "answer": null, "metadata": {}}', None),
        ('{"x": 1}', None),
        ("[1, 2]", None),
        ("true", None),
    ],
)
def test_references_are_put_in_words_where_they_are_words(encoded, text):
    assert answer_text(encoded) == text


def test_tags_stand_around_the_thinking_and_the_opening_is_not_learnt(tokenizer):
    tags = Tags(opening="{\n", closing="\n}\n")
    marked = load_tokenizer(BaseModelSection(path="tiny"))
    marked.chat_template = with_opening(marked.chat_template, tags)
    [row], _ = sft_rows(marked, examples(1), 200, tagged(tags, {"p0": "75"}))
    prompt = encode_prompt(marked, "23 + 45 + 7", None)
    assert marked.decode(prompt) == tokenizer.decode(
        encode_prompt(tokenizer, "23 + 45 + 7", None)
    ) + ("{\n")
    assert row["input_ids"][: len(prompt)] == prompt
    learnt = row["input_ids"][len(prompt) :]
    assert row["labels"] == [IGNORED] * len(prompt) + learnt
    assert marked.decode(learnt) == "23+45=68\n68+7=75\n}\n75<|end|>"


@pytest.mark.parametrize(
    ("text", "reference", "thinking", "answer"),
    [
        ("23+45=68+7=75", "75", "23+45=68+7=75", "75"),
        ("23+45=68\n68", "68", "23+45=68", "68"),
        ("75", "75", "", "75"),
        ("First.\n\nSo:\nx is 3.", "3", "First.", "So:\nx is 3."),
        ("First.\nx is 3.\n", None, "First.", "x is 3."),
        ("It is 3.", None, "", "It is 3."),
    ],
)
def test_no_work_is_moved_behind_the_tag(text, reference, thinking, answer):
    assert split_answer(text, reference) == (thinking, answer)


def test_the_opening_follows_a_template_that_ends_with_a_newline(tokenizer):
    # Jinja leaves out a template's last newline, but not one that something follows.
    changed = load_tokenizer(BaseModelSection(path="tiny"))
    changed.chat_template = with_opening(tokenizer.chat_template + "\n", Tags(opening='<"é">\n'))
    before = encode_prompt(tokenizer, "1 + 2", None)
    assert changed.decode(encode_prompt(changed, "1 + 2", None)) == (
        tokenizer.decode(before) + '<"é">\n'
    )
    asked = [{"role": "user", "content": "1 + 2"}, {"role": "assistant", "content": "3"}]
    assert changed.apply_chat_template(asked, tokenize=False).count("é") == 0


def test_rounds_that_end_wrong_are_read_and_not_learnt(tokenizer):
    parts = [("23+45=69\n", False), ("check\n45+23=68\n", True), ("again\n23+45=68\n68", True)]
    example = {**examples(1)[0], "text": "".join(text for text, _ in parts)}
    counts = Counter()
    rounds = {("p0", example["text"]): parts}
    [row], _ = sft_rows(tokenizer, [example], 200, masked(rounds, counts))
    [plain], _ = sft_rows(tokenizer, [example], 200)
    assert row["input_ids"] == plain["input_ids"]
    assert parts_of(tokenizer, row) == "check\n45+23=68\nagain\n23+45=68\n68<|end|>"
    assert counts == {"learnt": 2, "masked": 1}


def test_the_last_round_is_learnt_whatever_it_is(tokenizer):
    example = {**examples(1)[0], "text": "1+1=3"}
    rounds = {("p0", "1+1=3"): [("1+1=3", False)]}
    [row], _ = sft_rows(tokenizer, [example], 200, masked(rounds, Counter()))
    assert parts_of(tokenizer, row) == "1+1=3<|end|>"


def parts_of(tokenizer, row):
    return tokenizer.decode([label for label in row["labels"] if label != IGNORED])
