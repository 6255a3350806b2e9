"""vLLM's replies to requests with a window, divided: a whole reply, or a stream of chunks.

The division is by token ids. A choice whose window closed has the thinking in ``reasoning`` and
what follows the hint in ``content``; one that ended by itself is all ``content``. Both say so::

    "window": {"closed": true, "budget": 100, "thinking_tokens": 100, "hint_tokens": 12,
               "answer_tokens": 7}

``usage.completion_tokens_details`` has ``reasoning_tokens`` (those before the hint, or the whole of
a reply that ended by itself) and ``hint_tokens``. End tokens are in ``completion_tokens`` alone.

In a stream nobody can tell what the first tokens are before the window closes or the reply ends.
Until then their text comes as ``delta.draft``, which OpenAI's clients pass over; then it comes once
more, whole, as ``delta.reasoning`` or ``delta.content``, and the answer follows as it is sampled.
So pieces put together by any client are just what an undivided reply has, and nothing has to be
taken back.
"""

from collections.abc import Sequence
from typing import Any

from z1.serving.asking import Asked
from z1.serving.text import Decoder
from z1.window import Parts, Window

Reply = dict[str, Any]


class Choice:
    """One reply as far as it has come."""

    def __init__(self, window: Window, asked: Asked, tokenizer: Any) -> None:
        self.window = window
        self.asked = asked
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.ended = False
        self.draft = ""
        self.closed = False
        self.answer = Decoder(tokenizer, asked.special, asked.stops)
        self.answered = 0

    def add(self, choice: Reply) -> None:
        """Take the ids of a whole choice or of a chunk of one."""
        ids = choice.get("token_ids") or []
        self.ended = _wrote_end(choice)
        self.ids += ids[:-1] if self.ended else ids

    @property
    def parts(self) -> Parts:
        """The reply so far, divided.

        Raises RuntimeError if the engine left the window open.
        """
        parts = self.window.split(self.ids, self.ended)
        if tuple(parts.hint) != self.window.hint[: len(parts.hint)]:
            raise RuntimeError("the engine did not close a thinking window; has it z1's plug-in?")
        return parts

    def describe(self) -> dict[str, Any]:
        """Return the choice's ``window``."""
        parts = self.parts
        return {
            "closed": parts.closed,
            "budget": self.window.budget,
            "thinking_tokens": len(parts.thinking),
            "hint_tokens": len(parts.hint),
            "answer_tokens": len(parts.answer),
        }

    def reasoning(self) -> str:
        """Return the text of the thinking."""
        decoder = Decoder(self.tokenizer, self.asked.special)
        return decoder.finish(self.parts.thinking)

    def content(self, choice: Reply) -> str:
        """Return the text of the answer that ``choice`` adds."""
        begin = self.window.budget + len(self.window.hint)
        ids = self.ids[begin + self.answered :]
        self.answered = max(len(self.ids) - begin, 0)
        if not choice.get("finish_reason"):
            return self.answer.push(ids)
        stop = choice.get("stop_reason")
        return self.answer.finish(
            ids, stop if isinstance(stop, str) else None, self.asked.stop_stays
        )


def divide_reply(reply: Reply, window: Window, asked: Asked, tokenizer: Any) -> list[Choice]:
    """Divide the choices of a whole reply, in place."""
    choices = []
    for choice in reply["choices"]:
        divided = Choice(window, asked, tokenizer)
        divided.add(choice)
        choice["window"] = divided.describe()
        if asked.chat and divided.parts.closed:
            message = choice["message"]
            message["reasoning"] = divided.reasoning()
            message["content"] = divided.content(choice)
        choices.append(divided)
        _trim(choice, asked)
    _trim(reply, asked)
    count_tokens(reply, choices)
    return choices


class Stream:
    """Divides a stream, chunk by chunk."""

    def __init__(self, window: Window, asked: Asked, tokenizer: Any) -> None:
        self.made = window, asked, tokenizer
        self.asked = asked
        self.choices: dict[int, Choice] = {}

    def divide(self, chunk: Reply) -> None:
        """Divide the choices of a chunk, in place."""
        for choice in chunk.get("choices") or []:
            divided = self.choices.setdefault(choice["index"], Choice(*self.made))
            divided.add(choice)
            if self.asked.chat:
                self._divide(choice, divided)
            if choice.get("finish_reason"):
                choice["window"] = divided.describe()
            _trim(choice, self.asked)
        _trim(chunk, self.asked)
        count_tokens(chunk, list(self.choices.values()))

    def _divide(self, choice: Reply, divided: Choice) -> None:
        delta = choice["delta"]
        text = delta.pop("content", None)
        ended = bool(choice.get("finish_reason"))
        if divided.closed:
            delta |= _content(divided.content(choice))
        elif divided.parts.closed if ended else divided.window.phase(divided.ids) != "thinking":
            divided.closed = True
            delta["reasoning"] = divided.reasoning()
            delta |= _content(divided.content(choice))
        elif ended:
            delta["content"] = divided.draft + (text or "")
        elif text:
            divided.draft += text
            delta["draft"] = text


def _content(text: str) -> Reply:
    return {"content": text} if text else {}


def count_tokens(reply: Reply, choices: Sequence[Choice]) -> None:
    """Put the counts of divided choices into ``usage``, where there is one."""
    usage = reply.get("usage")
    if usage:
        parts = [choice.parts for choice in choices]
        usage["completion_tokens_details"] = {
            **(usage.get("completion_tokens_details") or {}),
            "reasoning_tokens": sum(len(part.thinking) for part in parts),
            "hint_tokens": sum(len(part.hint) for part in parts),
        }


def count_whole(reply: Reply, ends: int) -> None:
    """Put the counts of a reply without a window, of which ``ends`` choices ended, into ``usage``.

    It ended by itself or was cut off, so all of it is thinking.
    """
    usage = reply.get("usage")
    if usage:
        usage["completion_tokens_details"] = {
            **(usage.get("completion_tokens_details") or {}),
            "reasoning_tokens": max(usage["completion_tokens"] - ends, 0),
            "hint_tokens": 0,
        }


def count_ends(reply: Reply) -> int:
    """Return how many choices have an end token."""
    return sum(_wrote_end(choice) for choice in reply.get("choices") or [])


def _wrote_end(choice: Reply) -> bool:
    """Tell whether the model ended the reply, rather than a limit or a stop string."""
    by_text = isinstance(choice.get("stop_reason"), str)
    return choice.get("finish_reason") in ("stop", "tool_calls") and not by_text


def _trim(reply: Reply, asked: Asked) -> None:
    """Leave out the ids that only the division needed."""
    if not asked.token_ids:
        for key in ("token_ids", "prompt_token_ids"):
            reply.pop(key, None)
