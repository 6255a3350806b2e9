"""A judge model that finds the rounds of a reply where no verifier can check them.

An intermediate program in a reply to a code problem is no line of text that could be compared, so a
model is asked, as in the TOPS paper (arXiv 2502.18080). The wording is our own, and the judge
answers in words that can be counted. What it says is an opinion: the report shows how many replies
it could not be made to judge.
"""

import re
from collections.abc import Sequence

from z1.engines import Engine, Request

_PROMPT = """\
Below are a problem, its reference answer and a reply that was written while thinking. A round is a
stretch of the reply that works towards an answer, or checks one, and ends with a complete answer to
the problem. Go through the reply in order and write one line for each round: "right" if the answer
at its end agrees with the reference, else "wrong". Write nothing else.

PROBLEM
{problem}

REFERENCE ANSWER
{answer}

REPLY
{reply}
"""
_LINE = re.compile(r"^\W*(?:\d+\W+)?(right|wrong)\b\W*$", re.IGNORECASE)


def ask_judge(
    engine: Engine, asked: Sequence[tuple[str, str, str]], seed: int
) -> list[list[bool] | None]:
    """Return for each (problem, reference answer, reply) whether its rounds are right, in order.

    None where what the judge wrote cannot be read: a line of its reply is no verdict.
    """
    requests = [
        Request(_PROMPT.format(problem=problem, answer=answer, reply=reply), None)
        for problem, answer, reply in asked
    ]
    return [read_verdicts(reply.text) for reply in engine.sample(requests, seed)]


def read_verdicts(text: str) -> list[bool] | None:
    r"""Read a judge's lines.

    >>> read_verdicts("1. wrong\n2. right"), read_verdicts("I think it is right")
    ([False, True], None)
    """
    found = [_LINE.match(line) for line in text.splitlines() if line.strip()]
    if not found or None in found:
        return None
    return [match[1].casefold() == "right" for match in found if match]
