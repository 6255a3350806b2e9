"""Text of a growing list of token ids, piece by piece."""

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class Decoder:
    """Turns ids into text as they come; a character waits for its last token.

    ``stops`` are strings at which the reply may end: what could be the beginning of one waits too.
    """

    def __init__(self, tokenizer: Any, special: bool, stops: Sequence[str] = ()) -> None:
        self.tokenizer = tokenizer
        self.special = special
        self.waiting = max((len(stop) for stop in stops), default=1) - 1
        self.ids: list[int] = []
        # Text depends on its surroundings: each piece is decoded with the one before it.
        self.start = self.end = 0
        self.text = ""

    def push(self, ids: Sequence[int]) -> str:
        """Return the text that is certain with these ids and was not before."""
        self.ids += ids
        piece = self._piece()
        if piece and not piece.endswith(_UNFINISHED):
            self.text += piece
            self.start, self.end = self.end, len(self.ids)
        ready = self.text[: max(len(self.text) - self.waiting, 0)]
        self.text = self.text[len(ready) :]
        return ready

    def finish(self, ids: Sequence[int], stop: str | None = None, stop_stays: bool = False) -> str:
        """Return the rest of the text, with the last ids.

        ``stop`` is the string that ended the reply, if one did; ``stop_stays`` keeps it.
        """
        self.ids += ids
        rest = self.text + self._piece()
        if stop and (found := rest.find(stop)) >= 0:
            rest = rest[: found + len(stop) if stop_stays else found]
        return rest

    def _piece(self) -> str:
        before = self._decode(self.ids[self.start : self.end])
        return self._decode(self.ids[self.start :])[len(before) :]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=not self.special)
        return text
