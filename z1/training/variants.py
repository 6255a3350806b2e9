"""Two other ways to learn the same replies: to answer when stopped, and to think between tags."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from z1.recipe import Stop, Tags
from z1.training.rows import Divide, Example, encode, encode_reply, whole


def stopped(
    stop: Stop, hint: str, answers: Mapping[str, str | None], seed: int, counts: Counter[str]
) -> Divide:
    """Cut a share of the replies at random budgets; learn there to answer after the hint.

    A budget is any number of tokens up to the reply's length, all as likely. Hint and answer are
    joined as ids, as the window joins them. ``answers`` are the texts of the reference answers by
    problem; a reply to a problem without one stays whole, as the rest of them do. What became of
    the replies is added to ``counts``.
    """

    def divide(tokenizer: Any, example: Example) -> tuple[list[int], list[int]]:
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
            return reply[:budget] + encode(tokenizer, hint), encode_reply(tokenizer, answer)
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

    def divide(tokenizer: Any, example: Example) -> tuple[list[int], list[int]]:
        thinking, answer = split_answer(example["text"], answers[example["problem_id"]])
        closing = encode(tokenizer, tags.closing)
        return [], encode(tokenizer, thinking) + closing + encode_reply(tokenizer, answer)

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
