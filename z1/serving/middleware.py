"""What stands before vLLM's endpoints: a request's fields in, its divided reply out.

An ASGI application around vLLM's own. Requests without a window go through with a look at their
fields, and their replies with no more than the token counts added.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from prometheus_client import Counter

from z1.serving.asking import CHAT, COMPLETIONS, Asked, BadRequestError, rewrite
from z1.serving.carried import settled
from z1.serving.replies import Choice, Stream, count_ends, count_whole, divide_reply
from z1.serving.settings import Settings
from z1.window import Window

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_BAD_REQUEST = 400

REPLIES = Counter("z1_replies", "Replies to requests with a thinking window", ["closed"])
THINKING = Counter("z1_thinking_tokens", "Tokens before the hint, or of replies without one")
ANSWERS = Counter("z1_answer_tokens", "Tokens after the hint")


class WindowMiddleware:
    """The thinking window of `z1 serve`; vLLM makes one, and its app has the settings."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        settings: Settings = scope["app"].state.args.z1
        method, path = scope["method"], scope["path"]
        if (method, path) == ("GET", "/z1"):
            await _respond(send, 200, settings.describe())
        elif method == "POST" and path in (CHAT, COMPLETIONS):
            await self._complete(scope, receive, send, settings)
        else:
            await self.app(scope, receive, send)

    async def _complete(
        self, scope: Message, receive: Receive, send: Send, settings: Settings
    ) -> None:
        raw = await _read(receive)
        try:
            body = json.loads(raw)
        except ValueError:
            body = None  # vLLM says what is wrong with it
        if not isinstance(body, dict):
            await self.app(scope, _replay(raw, receive), send)
            return
        try:
            asked = rewrite(body, scope["path"], settings)
        except BadRequestError as error:
            await _respond(send, _BAD_REQUEST, _error(str(error), error.field))
            return
        raw = json.dumps(body).encode()
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(raw)).encode()))
        ticket = asked.carried.ticket if asked.carried else None
        if ticket is not None:
            settled[ticket] = 0
        try:
            answer = _Answer(asked, settings, send)
            await self.app({**scope, "headers": headers}, _replay(raw, receive), answer)
        finally:
            settled.pop(ticket or "", None)


class _Answer:
    """Takes vLLM's messages of one reply and sends them on, divided."""

    def __init__(self, asked: Asked, settings: Settings, send: Send) -> None:
        self.asked = asked
        self.tokenizer = settings.tokenizer
        self.send = send
        self.take: Callable[[bytes, bool], Awaitable[None]] | None = None
        self.start: Message = {}
        self.waiting = b""
        self.stream: Stream | None = None
        self.ends = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.take = self._choose(message)
            if self.take is not None:
                self.start = message
                return
        elif message["type"] == "http.response.body" and self.take is not None:
            await self.take(message.get("body", b""), message.get("more_body", False))
            return
        await self.send(message)

    def _choose(self, start: Message) -> Callable[[bytes, bool], Awaitable[None]] | None:
        """Return what takes the body; None to leave it as it is."""
        if start["status"] != 200:
            return None
        windowed = self.asked.carried is not None
        if self.asked.stream:
            return self._events if windowed or (self.asked.chat and self.asked.usage) else None
        return self._whole if windowed or self.asked.chat else None

    async def _whole(self, body: bytes, more: bool) -> None:
        self.waiting += body
        if more:
            return
        reply = json.loads(self.waiting)
        window = self._window()
        if window is None:
            count_whole(reply, count_ends(reply))
        else:
            _measure(divide_reply(reply, window, self.asked, self.tokenizer))
        await _respond(self.send, 200, reply, self.start["headers"])

    async def _events(self, body: bytes, more: bool) -> None:
        *events, self.waiting = (self.waiting + body).split(b"\n\n")
        out = b"".join(self._event(event) + b"\n\n" for event in events)
        if not more:
            out += self.waiting
            if self.stream is not None:
                _measure(list(self.stream.choices.values()))
        if self.start and (refused := _refused(events)):
            # A stream has begun when the engine refuses its request; its status has not gone yet.
            self.start = {}
            self.take = self._nothing
            await _respond(self.send, refused["error"]["code"], refused)
            return
        if self.start:
            start, self.start = self.start, {}
            await self.send(start)
        if out or not more:
            await self.send({"type": "http.response.body", "body": out, "more_body": more})

    async def _nothing(self, body: bytes, more: bool) -> None:
        """Drop what comes after a reply is complete."""

    def _event(self, event: bytes) -> bytes:
        chunk = _chunk(event)
        if chunk is None or "error" in chunk:
            return event
        window = self._window()
        if window is None:
            self.ends += count_ends(chunk)
            if not chunk.get("usage"):
                return event
            count_whole(chunk, self.ends)
        else:
            self.stream = self.stream or Stream(window, self.asked, self.tokenizer)
            self.stream.divide(chunk)
        return b"data: " + json.dumps(chunk).encode()

    def _window(self) -> Window | None:
        """Return the window as the engine keeps it."""
        carried = self.asked.carried
        if carried is None or carried.ticket is None:
            return carried and carried.window
        # Only vLLM knows the prompt's length, and so what an effort's budget had to become.
        return replace(carried.window, budget=settled[carried.ticket])


def _chunk(event: bytes) -> dict[str, Any] | None:
    """Return the object that a server-sent event holds, if it holds one."""
    data = event.removeprefix(b"data: ")
    if data == event or data == b"[DONE]":
        return None
    chunk: dict[str, Any] = json.loads(data)
    return chunk


def _refused(events: list[bytes]) -> dict[str, Any] | None:
    """Return the first event if it is an error."""
    chunk = _chunk(events[0]) if events else None
    return chunk if chunk and "error" in chunk else None


def _measure(choices: list[Choice]) -> None:
    for parts in (choice.parts for choice in choices):
        REPLIES.labels(closed=str(parts.closed).lower()).inc()
        THINKING.inc(len(parts.thinking))
        ANSWERS.inc(len(parts.answer))


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body once more, then what still comes."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _respond(
    send: Send, status: int, content: Any, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Send JSON, with the headers of a reply that it takes the place of."""
    body = json.dumps(content).encode()
    kept = [pair for pair in headers or [] if pair[0] not in (b"content-length", b"content-type")]
    kept += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})


def _error(message: str, field: str) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    kind = "BadRequestError"
    return {"error": {"message": message, "type": kind, "param": field, "code": _BAD_REQUEST}}
