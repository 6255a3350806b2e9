"""The thinking window as the engines need it: from the recipe to token ids, and back to a reply."""

from collections.abc import Sequence
from typing import Any

from z1.engines import Reply
from z1.errors import InputError
from z1.recipe import ThinkingWindow
from z1.window import Window, check_room


class Windows:
    """Makes the windows of one model; the hint is turned into ids once."""

    def __init__(
        self, section: ThinkingWindow | None, tokenizer: Any, stops: Sequence[int], limit: int
    ) -> None:
        """``limit`` is the most tokens of a reply. Raises InputError for a hint that ends it."""
        self.section = section
        self.limit = limit
        if section is None:
            return
        self.hint = encode(tokenizer, section.hint)
        self.delimiter = encode(tokenizer, section.delimiter or "")
        if ends := set(self.hint) & set(stops):
            raise InputError(
                f"window.hint: it holds {tokenizer.decode(sorted(ends))!r}, which ends a reply of "
                "this model; leave it out"
            )

    def make(self, budget: int | None) -> Window | None:
        """Return the window of a budget. Raises InputError if budget and answer do not fit."""
        if budget is None:
            return None
        if self.section is None:
            raise InputError("a request has a thinking budget, but the engine has no window")
        try:
            window = Window(budget, self.hint, self.delimiter)
            check_room(window, self.section.reserve, self.limit)
        except ValueError as error:
            raise InputError(f"{error} (window.reserve, max_tokens)") from error
        return window


def check_fit(
    prompt: int, context: int, window: Window | None, section: ThinkingWindow | None
) -> None:
    """Raise InputError if a prompt of so many tokens leaves a model's context no room to answer."""
    if prompt >= context:
        raise InputError(
            f"a prompt has {prompt} tokens, which leaves nothing of the model's context of "
            f"{context}; leave out problems as long as that"
        )
    if window is None or section is None:
        return
    try:
        check_room(window, section.reserve, context - prompt)
    except ValueError as error:
        raise InputError(
            f"{error}, which a prompt of {prompt} leaves of the model's context"
        ) from error


def encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Return the ids of a text that stands in the middle of a reply."""
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def divide(tokenizer: Any, ids: Sequence[int], ended: bool, window: Window | None) -> Reply:
    """Return the reply that the ids, without their end token, stand for."""

    def decode(part: Sequence[int]) -> str:
        text: str = tokenizer.decode(part, skip_special_tokens=True)
        return text

    finish = "stop" if ended else "length"
    parts = window.split(ids, ended) if window else None
    if parts is None or not parts.closed:
        return Reply(decode(ids), len(ids), finish, token_ids=tuple(ids))
    return Reply(
        text=decode(parts.answer),
        thinking_tokens=len(parts.thinking),
        finish_reason=finish,
        reasoning=decode(parts.thinking),
        hint_tokens=len(parts.hint),
        answer_tokens=len(parts.answer),
        token_ids=tuple(ids),
    )
