"""Replies that are there already, by people or sampled elsewhere, in place of a teacher's."""

from pathlib import Path
from typing import Any

import polars as pl

from z1.errors import InputError
from z1.jsonl import is_half_character, read_objects
from z1.models import load_tokenizer
from z1.recipe import BaseModelSection
from z1.records import EFFORTS, normalise_prompt


def read_replies(
    path: Path, problems: pl.DataFrame, model: BaseModelSection, efforts: bool = True
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Read a JSONL or Parquet file of ``prompt``, ``text`` and optionally ``effort``.

    ``question`` and ``response``, as in Z1-Code-Reasoning-107K, stand for the first two as well;
    its own token counts are of another tokenizer and not read. Returns Trajectory rows for the
    problems asked for, and how many replies were left out, by reason. Replies that name no effort
    get low, medium and high by length, unless ``efforts`` is off: then all are to no effort.

    Raises InputError that names the line if a reply is broken, or the file if none fits.
    """
    tokenizer = load_tokenizer(model)
    ids = {normalise_prompt(p): i for i, p in problems.select("id", "prompt").iter_rows()}
    rows: list[dict[str, Any]] = []
    dropped = {"no problem of this split has the prompt": 0, "fewer than three without effort": 0}
    for place, reply in read_objects(path):
        where = f"{path}, {place}"
        if isinstance(reply, ValueError):
            raise InputError(f"{where}: {reply}")
        prompt = reply.get("prompt", reply.get("question"))
        text = reply.get("text", reply.get("response"))
        effort = reply.get("effort") if efforts else None
        if not isinstance(prompt, str) or not isinstance(text, str):
            raise InputError(f"{where}: a reply needs 'prompt' and 'text', both text")
        if effort is not None and effort not in EFFORTS:
            raise InputError(f"{where}: effort {effort!r} is none of {', '.join(EFFORTS)}")
        if is_half_character(text):
            raise InputError(f"{where}: text holds half of a surrogate pair, which is no character")
        problem_id = ids.get(normalise_prompt(prompt))
        if problem_id is None:
            dropped["no problem of this split has the prompt"] += 1
            continue
        tokens = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        rows.append(
            {
                "problem_id": problem_id,
                "effort": effort,
                "text": text,
                "thinking_tokens": tokens,
                "finish_reason": "stop",
            }
        )
    if not rows:
        raise InputError(
            f"{path}: no reply is to a problem of this split; give the problems' source "
            f"'split: {'seed' if efforts else 'train'}' so that all of them are in it"
        )
    if efforts:
        rows, short, extra = _rank_without_effort(rows)
        if not rows:
            raise InputError(
                f"{path}: none of its {short} replies to problems of this split can be used; they "
                "name no effort and no problem has three of them: give each its 'effort', or each "
                "problem three replies"
            )
        dropped["fewer than three without effort"] = short
        dropped["more than three without effort"] = extra
    counts: dict[tuple[str, str | None], int] = {}
    for row in rows:
        key = (row["problem_id"], row["effort"])
        row["sample"] = counts.get(key, 0)
        counts[key] = row["sample"] + 1
    return rows, {reason: count for reason, count in dropped.items() if count}


def _rank_without_effort(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int, int]:
    """Give the replies without an effort one by length: shortest, middle one, longest.

    Also returns how many are left out since a problem has fewer than three, or more.
    """
    named = [row for row in rows if row["effort"] is not None]
    unnamed: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["effort"] is None:
            unnamed.setdefault(row["problem_id"], []).append(row)
    short = extra = 0
    for replies in unnamed.values():
        if len(replies) < len(EFFORTS):
            short += len(replies)
            continue
        replies.sort(key=lambda row: row["thinking_tokens"])
        extra += len(replies) - len(EFFORTS)
        chosen = [replies[0], replies[len(replies) // 2], replies[-1]]
        named += [{**row, "effort": e} for row, e in zip(chosen, EFFORTS, strict=True)]
    return named, short, extra
