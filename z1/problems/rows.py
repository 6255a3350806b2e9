"""What every reader of problems returns: one row for each problem as it was found."""

import polars as pl

from z1.errors import InputError

ROWS = pl.Schema(
    {
        "id": pl.String,  # the user's own, or null
        "prompt": pl.String,
        "answer": pl.String,
        "verifier": pl.String,
        "difficulty": pl.String,
        "source": pl.String,
        "question": pl.String,  # the prompt without its instructions, or null
        "where": pl.String,  # what a message calls the row, such as "sums.jsonl, line 7"
    }
)
MOST_SHOWN = 20


def refuse(mistakes: list[str], about: str) -> None:
    """Raise one InputError that lists the mistakes, the first twenty of them, if there are any."""
    if not mistakes:
        return
    lines = [f"{about}: {len(mistakes)} mistake(s)", *(f"  {text}" for text in mistakes)]
    if len(mistakes) > MOST_SHOWN:
        lines[MOST_SHOWN + 1 :] = [f"  ... and {len(mistakes) - MOST_SHOWN} more"]
    raise InputError("\n".join(lines))
