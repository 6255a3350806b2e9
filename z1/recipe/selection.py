"""Sections that say how replies are checked and which of them are kept."""

from typing import Literal

from pydantic import Field

from z1.recipe.section import Count, Positive, Section


class Verify(Section):
    """How the programs in replies to code problems are run; other verifiers take no settings."""

    isolation: Literal["auto", "bubblewrap", "landlock"] = "auto"
    """What keeps a program in: bubblewrap's namespaces, or Landlock where those are blocked.
    ``auto`` takes the stronger that works on the machine; naming one refuses to fall back."""
    seconds: Positive = 10.0
    """Computing time of each test; waiting may take three times as long."""
    memory_mb: Count = 2048
    """Memory of each test."""


class Filter(Section):
    """Which of the teacher's replies Z1 does not train on.

    Those cut at the token limit, empty ones, and those that go round in a loop are dropped always.
    """

    verify: bool = False
    """Also drop replies that their problem's verifier does not find right; the paper does not."""


class Selection(Section):
    """What is kept for training."""

    min_gap: int = Field(300, ge=0)
    """Seed set: the lengths of a problem's three replies must differ by more tokens than this."""
    with_seed: bool = True
    """Add the seed set's low replies to the thinking-optimal ones, as the paper does, and a
    random one of each seed problem's three to the random baseline."""
    tokens: Count | None = None
    """Z1: take replies up to this many tokens altogether; all of them if absent."""
    order: Literal["random", "longest", "shortest"] = "random"
    """Z1: which replies come first where ``tokens`` leaves some out."""
    rounds: bool = False
    """Also count, by effort, the rounds that the right replies hold, and the wrong ones of them."""
