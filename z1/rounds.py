"""The rounds of a reply: complete pieces of reasoning or checking that end with an answer.

The TOPS paper (arXiv 2502.18080) has a judge model count them. Where a reply's intermediate answers
can be read, no judge is needed: each round is handed to the problem's own verifier as if it were
the whole reply. A round ends where an answer is stated (a box, ``#### 8``, "the answer is"). In
a reply that states none outright, such as worked sums, a line that begins another look ("check",
"again", "wait", "alternatively") ends the round before it, and a round's answer is its last
line.

Both are found by their wording, so a reply that checks itself without saying so counts as one
round, and what follows the last answer belongs to the last round.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from z1.verifiers import check_all
from z1.verifiers.extract import claims

_ANOTHER_LOOK = re.compile(
    r"^[ \t]*(?:check|again|wait|hold on|alternatively|double[- ]check|verif(?:y|ying)|"
    r"let(?:'s|’s| me| us) (?:double[- ]check|check|verify|re\w+|try|see if))\b",
    re.IGNORECASE | re.MULTILINE,
)
_LEAST_REASONING = 20
"""A stretch with fewer characters beside its answer only repeats an answer and is no round."""


def split_rounds(text: str) -> list[str]:
    """Divide a reply into its rounds; joined again they are the reply.

    >>> split_rounds("23+45=68\\ncheck\\n45+23=68\\n68")
    ['23+45=68\\n', 'check\\n45+23=68\\n68']
    """
    starts = [0]
    if stated := claims(text):
        for claim in stated:
            line_end = text.find("\n", claim.end)
            end = len(text) if line_end < 0 else line_end + 1
            reasoning = text[starts[-1] : claim.start]
            if len(starts) > 1 and len(reasoning.strip()) < _LEAST_REASONING:
                starts[-1] = end
            elif end > starts[-1]:
                starts.append(end)
        starts.pop()  # what follows the last answer is of its round
    else:
        starts += [match.start() for match in _ANOTHER_LOOK.finditer(text) if match.start()]
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def judge_rounds(
    texts: Sequence[str], references: Sequence[tuple[str, str]]
) -> list[list[tuple[str, bool]]]:
    """Divide replies into rounds and say of each round whether its answer is right.

    ``references`` has the verifier and the reference answer (JSON) of each reply's problem.
    """
    divided = [split_rounds(text) for text in texts]
    items = [
        (verifier, json.loads(answer), part)
        for parts, (verifier, answer) in zip(divided, references, strict=True)
        for part in parts
    ]
    verdicts = iter(check_all(items))
    return [[(part, next(verdicts).verdict == "right") for part in parts] for parts in divided]


CHECKABLE = ("math", "choice", "exact", "procedural")
"""Verifiers that read an answer in any stretch of text; for other problems a judge is needed."""

Judge = Callable[[Sequence[tuple[str, str, str]]], list[list[bool] | None]]
"""Takes (problem, reference answer, reply); says whether each reply's rounds are right, or None."""


def count_rounds(
    replies: pl.DataFrame, problems: pl.DataFrame, judge: Judge | None = None
) -> list[dict[str, Any]]:
    """Return the rounds of verified replies, by effort.

    ``replies`` has ``problem_id``, ``effort`` and ``text``. Each row has ``effort``; the number of
    ``replies`` counted and of those left ``unjudged``, for want of a reference, a judge or a
    judge's clear word; and of a reply, on average, its ``rounds`` and ``wrong_rounds``; and the
    ``wrong_share``, that of all rounds that are wrong (null where none were counted).
    """
    names = ("prompt", "verifier", "answer")
    known = {row["id"]: [row[name] for name in names] for row in problems.to_dicts()}
    asked = [(*known[name], text) for name, text in replies.select("problem_id", "text").rows()]
    found: list[list[bool] | None] = [None] * len(asked)
    plain = [i for i, (_, verifier, _, _) in enumerate(asked) if verifier in CHECKABLE]
    judged = judge_rounds([asked[i][3] for i in plain], [asked[i][1:3] for i in plain])
    for i, rounds in zip(plain, judged, strict=True):
        found[i] = [right for _, right in rounds]
    readable = {None, *CHECKABLE}
    others = [i for i, (_, verifier, _, _) in enumerate(asked) if verifier not in readable]
    if judge is not None and others:
        opinions = judge([(asked[i][0], asked[i][2], asked[i][3]) for i in others])
        for i, opinion in zip(others, opinions, strict=True):
            found[i] = opinion
    counted = replies.select("effort").with_columns(
        rounds=pl.Series([None if r is None else len(r) for r in found], dtype=pl.Int64),
        wrong=pl.Series([None if r is None else r.count(False) for r in found], dtype=pl.Int64),
    )
    return (
        counted.group_by("effort")
        .agg(
            replies=pl.col("rounds").count(),
            unjudged=pl.col("rounds").null_count(),
            rounds=pl.col("rounds").mean(),
            wrong_rounds=pl.col("wrong").mean(),
            wrong_share=pl.when(pl.col("rounds").sum() > 0).then(
                pl.col("wrong").sum() / pl.col("rounds").sum()
            ),
        )
        .sort("effort")
        .to_dicts()
    )
