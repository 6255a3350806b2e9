"""The shifted thinking window (Z1, arXiv 2504.00810) as a pure state machine over token ids.

A reply starts out *thinking*. If it ends by itself within its budget, it is left as it is. If not,
the window closes: the *hint* follows, token by token, and what comes after it is the *answer*.
The ids before the hint are exactly the ids that were sampled; nothing is decoded and joined.

All of it follows from the ids so far, so there is no state to be kept, moved or lost: an engine
asks before each token whether one is forced, and afterwards how the reply divides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Phase = Literal["thinking", "hint", "answering"]


class Parts(NamedTuple):
    """A reply's token ids, divided; its end token is in none of the parts."""

    thinking: list[int]
    """What was sampled before the hint, or the whole of a reply that ended by itself."""
    hint: list[int]
    """The hint; empty if the window did not close."""
    answer: list[int]
    """What was sampled after the hint; empty if the window did not close."""

    @property
    def closed(self) -> bool:
        """Whether the window closed."""
        return bool(self.hint)


@dataclass(frozen=True)
class Window:
    """A thinking budget and the hint that follows when it is spent."""

    budget: int
    """Most tokens to think; 0 asks for the answer at once."""
    hint: tuple[int, ...]
    """Ids of the hint, at least one."""
    delimiter: tuple[int, ...] = ()
    """Ids that end the thinking when the model writes them itself, for models trained with
    tags around it; empty for the shifted window, which has none."""

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ValueError(f"the thinking budget is {self.budget}; it must be 0 or more")
        if not self.hint:
            raise ValueError("the hint is empty; give at least one token")

    def phase(self, ids: Sequence[int]) -> Phase:
        """Return what the token after ``ids``, the reply so far, belongs to.

        A reply that passed its delimiter stays ``thinking``, which here means free.
        """
        if len(ids) < self.budget or self._delimited(ids):
            return "thinking"
        return "hint" if len(ids) < self.budget + len(self.hint) else "answering"

    def forced(self, ids: Sequence[int]) -> int | None:
        """Return the id that must come after ``ids``, the reply so far, or None if it is free."""
        if self.phase(ids) != "hint":
            return None
        return self.hint[len(ids) - self.budget]

    def split(self, ids: Sequence[int], ended: bool) -> Parts:
        """Divide a finished reply.

        ``ids`` are without the end token; ``ended`` tells whether the model wrote one (rather
        than being cut off). A reply that was cut off before its budget is all thinking.
        """
        whole = list(ids)
        # The end token is one of the budget's tokens: after exactly `budget` others comes the hint.
        if len(whole) + ended <= self.budget or self._delimited(whole):
            return Parts(whole, [], [])
        end = self.budget + len(self.hint)
        return Parts(whole[: self.budget], whole[self.budget : end], whole[end:])

    def _delimited(self, ids: Sequence[int]) -> bool:
        """Tell whether the delimiter was written within the budget."""
        width = len(self.delimiter)
        if not width:
            return False
        thought = tuple(ids[: self.budget])
        return any(
            thought[i : i + width] == self.delimiter for i in range(len(thought) - width + 1)
        )


def check_room(window: Window, reserve: int, limit: int) -> None:
    """Raise ValueError if a reply of ``limit`` tokens cannot hold budget, hint and ``reserve``.

    ``reserve`` is the number of tokens kept for the answer, which thinking cannot eat.
    """
    needed = window.budget + len(window.hint) + reserve
    if needed > limit:
        most = limit - len(window.hint) - reserve
        advice = f"a budget of at most {most}" if most >= 0 else f"a limit of at least {needed}"
        raise ValueError(
            f"a thinking budget of {window.budget}, a hint of {len(window.hint)} and an answer of "
            f"{reserve} tokens do not fit into {limit} tokens; give {advice}"
        )
