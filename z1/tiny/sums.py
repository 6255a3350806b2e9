"""Worked solutions of sums: what the tiny model is pre-trained on and the scripted teacher writes.

A sum such as ``23 + 45 - 7`` is a list of signed terms. A *pass* is one complete piece of
reasoning: a line for each running total.

    low       a scribble: one pass in one line, each total carried straight on, the last of them
              the answer
    medium    one pass, and the answer on a line of its own
    high      a pass, a second one over the terms in reverse as a check, and, where the two
              disagree, further passes until two agree; then the answer
"""

import random
import re

_EXPRESSION = re.compile(r"-?\d+(?: [+-] \d+)+")
MAX_PASSES = 6


def parse_sum(prompt: str) -> list[int] | None:
    """Return the signed terms of the one sum in ``prompt``, or None if there is not just one.

    >>> parse_sum("23 + 45 - 7")
    [23, 45, -7]
    """
    found = _EXPRESSION.findall(prompt)
    if len(found) != 1:
        return None
    first, *rest = re.findall(r"-?\d+|[+-]", found[0].replace("+ ", "+").replace("- ", "-"))
    signs_and_numbers = re.findall(r"([+-])(\d+)", "".join(rest))
    return [int(first)] + [int(sign + number) for sign, number in signs_and_numbers]


def step_line(total: int, term: int, result: int) -> str:
    """Write one running total: ``68-7=61``."""
    return f"{total}{term:+d}={result}"


def write_pass(terms: list[int], rng: random.Random, slip: float) -> tuple[list[str], int]:
    """Add up the terms in order; return the lines and the total reached.

    Each step goes wrong with probability ``slip`` (one digit off by one, as a dropped carry
    would), and later steps go on from the wrong total, as a person's would.
    """
    lines, total = [], terms[0]
    for term in terms[1:]:
        result = total + term
        if rng.random() < slip:
            result += rng.choice([-10, -1, 1, 10])
        lines.append(step_line(total, term, result))
        total = result
    return lines, total


def scribble(lines: list[str]) -> str:
    """Write a pass in one line.

    >>> scribble(["23+45=68", "68-7=61"])
    '23+45=68-7=61'
    """
    return lines[0] + "".join(re.sub(r"^-?\d+", "", line) for line in lines[1:])


def solve(terms: list[int], effort: str, rng: random.Random, slip: float = 0.0) -> str:
    """Write a worked solution of the sum at one of the three efforts.

    ``slip`` is the chance that a step goes wrong, written down or done in the head.
    """
    lines, total = write_pass(terms, rng, slip)
    if effort == "low":
        return scribble(lines)
    if effort == "medium":
        return "\n".join([*lines, str(total)])
    totals = [total]
    for number in range(1, MAX_PASSES):
        backwards = number % 2 == 1
        more, total = write_pass(terms[::-1] if backwards else terms, rng, slip)
        lines += ["check" if number == 1 else "again", *more]
        if total in totals:
            break
        totals.append(total)
    return "\n".join([*lines, str(total)])
