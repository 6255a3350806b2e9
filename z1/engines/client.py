"""The client of a server with OpenAI's API, with its errors in words."""

import asyncio
import os
from collections.abc import Awaitable
from typing import Any, TypeVar

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, Timeout

from z1.errors import InputError
from z1.recipe import BaseModelSection, Endpoint, ThinkingWindow

# The client waits between attempts as long as the server asks, or else 0.5 s and ever longer up to
# 8 s: together about a minute, in which a server can start anew.
RETRIES = 10
_TIMEOUT = Timeout(3600, connect=10)  # seconds; a long reply of a busy server takes its time

SEED = 2**31 - 1  # some servers take seeds of 31 bits only

_Answer = TypeVar("_Answer")


class Server:
    """One server, and the event loop of its client."""

    def __init__(self, endpoint: Endpoint, model: str | BaseModelSection) -> None:
        self.url = endpoint.url.rstrip("/")
        self.model = endpoint.served_model or (model if isinstance(model, str) else model.path)
        self.loop = asyncio.new_event_loop()
        # A server of one's own needs no key, but the client does.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self.client = AsyncOpenAI(
            base_url=self.url, api_key=key, max_retries=RETRIES, timeout=_TIMEOUT
        )

    def close(self) -> None:
        """Close the connections, and the loop that they belong to."""
        self.loop.run_until_complete(self.client.close())
        self.loop.close()

    async def wait(self, call: Awaitable[_Answer]) -> _Answer:
        """Return what a call answers. Raises InputError if it fails for good."""
        try:
            return await call
        except APIError as error:
            raise self._explain(error) from error

    def _explain(self, error: APIError) -> InputError:
        cause, advice = error.message, ""
        if isinstance(error, APIConnectionError):
            cause = f"no reply in {RETRIES + 1} attempts ({error.__cause__ or error})"
            advice = "; is the server up, and is this its url?"
        elif isinstance(error, APIStatusError) and error.status_code in (401, 403):
            advice = "; set OPENAI_API_KEY to a key of this server"
        return InputError(f"endpoint {self.url}: {cause}{advice}")

    def keeps(self, window: ThinkingWindow) -> bool:
        """Tell whether the server closes windows by itself, and just as the recipe says.

        Raises InputError if it does not answer.
        """
        return self.loop.run_until_complete(self._keeps(window))

    async def _keeps(self, window: ThinkingWindow) -> bool:
        try:
            told: Any = await self.client.get(f"{self.url.removesuffix('/v1')}/z1", cast_to=object)
            own = told["window"]
            same = own["hint"] == window.hint and own["reserve"] <= window.reserve
        except APIConnectionError as error:
            raise self._explain(error) from error
        except (APIError, ValueError, TypeError, KeyError):
            return False  # some other server, which says whatever it likes at this address
        return bool(same) and window.delimiter is None
