"""Other ways to learn the same replies: to answer when stopped, to think between tags, and to learn
nothing from rounds that end with a wrong answer."""

import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from z1.recipe import Stop, Tags
from z1.training.rows import Divide, Example, Piece, encode, encode_reply, whole


def stopped(
    stop: Stop, hint: str, answers: Mapping[str, str | None], seed: int, counts: Counter[str]
) -> Divide:
    """Cut a share of the replies at random budgets; learn there to answer after the hint.

    A budget is any number of tokens up to the reply's length, all as likely. Hint and answer are
    joined as ids, as the window joins them. ``answers`` are the texts of the reference answers by
    problem; a reply to a problem without one stays whole, as the rest of them do. What became of
    the replies is added to ``counts``.
    """

    def divide(tokenizer: Any, example: Example) -> list[Piece]:
        # Drawn for each problem apart, so that which are cut does not hang on which others come.
        rng = random.Random(f"{seed} {example['problem_id']}")
        answer = answers[example["problem_id"]]
        if rng.random() >= stop.share:
            counts["whole"] += 1
        elif answer is None:
            counts["whole, having no reference in words"] += 1
        else:
            counts["cut"] += 1
            reply = encode(tokenizer, example["text"])
            budget = rng.randint(0, len(reply))
            read = reply[:budget] + encode(tokenizer, hint)
            return [(read, False), (encode_reply(tokenizer, answer), True)]
        return whole(tokenizer, example)

    return divide


def answer_text(encoded: str) -> str | None:
    """Return a problem's reference answer as a model would write it, or None if it is no text.

    >>> answer_text('{"answer": "68", "metadata": {}}'), answer_text("68"), answer_text("[1]")
    ('68', '68', None)
    """
    answer = json.loads(encoded)
    if isinstance(answer, dict) and "metadata" in answer:  # an entry of reasoning-gym
        answer = answer.get("answer")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return str(answer)
    return answer if isinstance(answer, str) else None


def tagged(tags: Tags, answers: Mapping[str, str | None]) -> Divide:
    """Put the closing tag between the thinking and the answer; the prompt ends with the opening.

    ``answers`` are the texts of the reference answers by problem.
    """

    def divide(tokenizer: Any, example: Example) -> list[Piece]:
        thinking, answer = split_answer(example["text"], answers[example["problem_id"]])
        closing = encode(tokenizer, tags.closing)
        return [(encode(tokenizer, thinking) + closing + encode_reply(tokenizer, answer), True)]

    return divide


def masked(
    rounds: Mapping[tuple[str, str], Sequence[tuple[str, bool]]], counts: Counter[str]
) -> Divide:
    """Only read the rounds of a reply that end with a wrong answer, as the TOPS paper tries.

    ``rounds`` are those of each reply by its problem and text, as ``z1.rounds.judge_rounds`` found
    them; the last one is learnt whatever it is, since the reply was chosen for how it ends. How
    many rounds were learnt and how many masked is added to ``counts``.
    """

    def divide(tokenizer: Any, example: Example) -> list[Piece]:
        parts = rounds[example["problem_id"], example["text"]]
        # A token may lie across two rounds, so the reply is encoded whole, as it will be read.
        coded = tokenizer(example["text"], add_special_tokens=False, return_offsets_mapping=True)
        ids, ends = coded["input_ids"], list(accumulate(len(text) for text, _ in parts))
        learnt = [right for _, right in parts[:-1]] + [True]
        counts.update("learnt" if right else "masked" for right in learnt)
        places = [bisect_right(ends[:-1], start) for start, _ in coded["offset_mapping"]]
        pieces = [([token], learnt[place]) for token, place in zip(ids, places, strict=True)]
        return [*pieces, ([tokenizer.eos_token_id], True)]

    return divide


def split_answer(text: str, reference: str | None) -> tuple[str, str]:
    """Divide a reply into its thinking and its answer, without moving work behind the tag.

    The answer is the last paragraph or, where there is only one, the last line. A single line is
    all thinking, after which the reference is stated again, unless it is just the reference.

    >>> split_answer("23+45=68\\n68", "68"), split_answer("23+45=68", "68")
    (('23+45=68', '68'), ('23+45=68', '68'))
    """
    text = text.strip()
    thinking, _, answer = text.rpartition("\n\n" if "\n\n" in text else "\n")
    if not thinking and reference is not None and answer != reference:
        return answer, reference
    return thinking.rstrip(), answer


def with_opening(template: str, tags: Tags) -> str:
    """Return a chat template whose prompts end with the opening tag."""
    opening = json.dumps(tags.opening, ensure_ascii=False)
    block = "{% if add_generation_prompt %}{{ " + opening + " }}{% endif %}"
    return template.removesuffix("\n") + block  # the one newline that Jinja drops at the end
