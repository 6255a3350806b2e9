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
from collections.abc import Mapping, Sequence

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


def count_rounds(replies: pl.DataFrame, problems: pl.DataFrame) -> list[dict[str, object]]:
    """Return the rounds of verified replies by effort, of those whose problem has a reference.

    ``replies`` has ``problem_id``, ``effort`` and ``text``. Each row has ``effort``, the number of
    ``replies``, and of a reply, on average, its ``rounds`` and ``wrong_rounds``; and the
    ``wrong_share``, that of all rounds that are wrong.
    """
    known: Mapping[str, tuple[str, str]] = {
        name: (verifier, answer)
        for name, verifier, answer in problems.select("id", "verifier", "answer").iter_rows()
        if verifier is not None
    }
    replies = replies.filter(pl.col("problem_id").is_in(list(known)))
    judged = judge_rounds(
        replies["text"].to_list(), [known[name] for name in replies["problem_id"]]
    )
    counted = replies.select("effort").with_columns(
        rounds=pl.Series([len(rounds) for rounds in judged], dtype=pl.Int64),
        wrong=pl.Series(
            [sum(not right for _, right in rounds) for rounds in judged], dtype=pl.Int64
        ),
    )
    return (
        counted.group_by("effort")
        .agg(
            replies=pl.len(),
            rounds=pl.col("rounds").mean(),
            wrong_rounds=pl.col("wrong").mean(),
            wrong_share=pl.col("wrong").sum() / pl.col("rounds").sum(),
        )
        .sort("effort")
        .to_dicts()
    )
