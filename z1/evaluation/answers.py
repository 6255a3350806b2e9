"""The final answer of a reply, in a spelling in which equal answers are mostly equal text."""

from z1.verifiers.exact import normal
from z1.verifiers.extract import Claim, decide, gives_up, head, spoken, unmarked


def final_answer(text: str) -> str | None:
    """Return the answer that a reply ends up with, or None if it gives none.

    This tells answers apart and judges none of them, so it needs no reference: what is stated
    as the answer, else the last line.

    >>> final_answer("23+45=68\\nThe answer is **68**.")
    '68'
    >>> final_answer("23+45=68+7=75")
    '75'
    """
    return decide(unmarked(spoken(text)), _read, _last_line)


def _read(claim: Claim) -> str | None:
    return normal(head(claim.text) if claim.kind == "phrase" else claim.text) or None


def _last_line(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or gives_up(text):
        return None
    return normal(lines[-1].rpartition("=")[2]) or normal(lines[-1]) or None
