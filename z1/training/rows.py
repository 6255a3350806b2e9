"""Training rows as token ids: the prompt as the model will see it, the reply, its end token.

Rows are tokenised here and not by TRL, so that the ids of the prompt are exactly those of
``apply_chat_template`` at inference and the loss covers the reply and its end token alone, whatever
the chat template puts after a reply.
"""

from collections.abc import Callable, Iterable
from typing import Any

from z1.models import encode_prompt

IGNORED = -100  # label of a token without loss

Example = dict[str, Any]
Piece = tuple[list[int], bool]
Divide = Callable[[Any, Example], list[Piece]]
"""Turns a tokenizer and an example into the ids after the prompt, in pieces that are learnt or only
read."""


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text that stands in the middle of a conversation."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_reply(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a reply and its end token."""
    return [*encode(tokenizer, text), tokenizer.eos_token_id]


def whole(tokenizer: Any, example: Example) -> list[Piece]:
    """Learn the whole reply."""
    return [(encode_reply(tokenizer, example["text"]), True)]


def sft_rows(
    tokenizer: Any, examples: Iterable[Example], max_length: int, divide: Divide = whole
) -> tuple[list[dict[str, list[int]]], int]:
    """Return rows of ``input_ids`` and ``labels``, and how many examples were too long."""
    rows, too_long = [], 0
    for example in examples:
        prompt = encode_prompt(tokenizer, example["prompt"], example["effort"])
        pieces = [(prompt, False), *divide(tokenizer, example)]
        ids = [token for part, _ in pieces for token in part]
        if len(ids) > max_length:
            too_long += 1
            continue
        labels = [token if learnt else IGNORED for part, learnt in pieces for token in part]
        rows.append({"input_ids": ids, "labels": labels})
    return rows, too_long


def dpo_rows(
    tokenizer: Any, pairs: Iterable[dict[str, Any]], max_length: int
) -> tuple[list[dict[str, list[int]]], int]:
    """Return rows of ``prompt_ids``, ``chosen_ids``, ``rejected_ids``, and how many were long."""
    rows, too_long = [], 0
    for pair in pairs:
        row = {
            "prompt_ids": encode_prompt(tokenizer, pair["prompt"], None),
            "chosen_ids": encode_reply(tokenizer, pair["chosen"]),
            "rejected_ids": encode_reply(tokenizer, pair["rejected"]),
        }
        longest = max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        if len(row["prompt_ids"]) + longest > max_length:
            too_long += 1
            continue
        rows.append(row)
    return rows, too_long


def show_loss_mask(tokenizer: Any, row: dict[str, list[int]]) -> str:
    """Write out one SFT row for the log: what is only read, and what the loss covers."""
    trained = [label != IGNORED for label in row["labels"]]
    start = trained.index(True)
    read = tokenizer.decode(row["input_ids"][:start])
    learnt = tokenizer.decode(row["input_ids"][start:])
    return f"first example\n  read    {read!r}\n  learnt  {learnt!r}"
