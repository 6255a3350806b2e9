"""Which split a problem belongs to.

A problem's split depends on nothing but its prompt and the recipe's split seed: the prompt
is hashed to a point in [0, 1) and each split owns an interval. So splits cannot overlap, a
problem met twice lands in the same split, and problems added later never move an evaluation
problem into training.
"""

import hashlib


def normalise_prompt(prompt: str) -> str:
    """Return the prompt in the form under which two problems count as the same one."""
    return " ".join(prompt.casefold().split())


def split_point(prompt: str, seed: int) -> float:
    """Hash a prompt to a point in [0, 1), the same on every machine and in every run."""
    digest = hashlib.sha256(f"{seed}\n{normalise_prompt(prompt)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
