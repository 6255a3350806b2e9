"""The endpoint engine: a server with OpenAI's API, asked for many replies at a time.

Prompts go as token ids to ``/completions``. A thinking window is left to the server where it is
``z1 serve`` with the recipe's hint; other servers are asked twice: for as many tokens as the budget
has, and, of a reply that did not end within them, for the answer to prompt, reply and hint.
"""

from collections.abc import Mapping
from dataclasses import replace

from z1.engines import Reply, Request, derive_seed
from z1.engines.chat import ChatEngine
from z1.engines.client import SEED, Server
from z1.engines.streaming import StreamingEngine
from z1.engines.windows import Windows, divide, encode
from z1.errors import InputError
from z1.models import encode_prompt, load_tokenizer, stop_tokens
from z1.recipe import BaseModelSection, EffortPrompts, Endpoint, Sampling, ThinkingWindow
from z1.window import Window

# Names beyond OpenAI's. Where a server has other defaults, these switch them off, so that a reply
# is sampled as the recipe says; servers that do not know them pass them over.
_PLAIN = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}


class CompletionsEngine(StreamingEngine):
    """A server that takes prompts as token ids."""

    def __init__(
        self,
        sampling: Sampling,
        endpoint: Endpoint,
        model: str | BaseModelSection,
        efforts: EffortPrompts | None,
        window: ThinkingWindow | None,
    ) -> None:
        self.sampling = sampling
        self.tokenizer = load_tokenizer(model, efforts)
        self.stops = stop_tokens(model, self.tokenizer)
        self.windows = Windows(window, self.tokenizer, self.stops, sampling.max_tokens)
        self.server = Server(endpoint, model)
        self.keeps_window = window is not None and self.server.keeps(window)
        super().__init__(self.server.loop, endpoint.concurrency)

    async def answer(self, request: Request, seed: int) -> Reply:
        """Answer one request. Raises InputError if the server refuses it or is gone."""
        prompt = encode_prompt(self.tokenizer, request.prompt, request.effort)
        limit = self.sampling.max_tokens
        window = self.windows.make(request.budget)
        if window is None:
            ids, ended = await self._complete(prompt, limit, seed)
        elif self.keeps_window:
            fields = {"thinking_token_budget": window.budget}
            ids, ended = await self._complete(prompt, limit, seed, fields)
            parts = window.split(ids, ended)
            if parts.closed and tuple(parts.hint) != window.hint:
                raise InputError(f"endpoint {self.server.url}: it did not close a thinking window")
        else:
            ids, ended, window = await self._in_two_calls(prompt, limit, seed, window)
        return divide(self.tokenizer, ids, ended, window)

    async def _in_two_calls(
        self, prompt: list[int], limit: int, seed: int, window: Window
    ) -> tuple[list[int], bool, Window | None]:
        """Return a reply's ids, whether it ended by itself, and the window to divide it by."""
        ids: list[int] = []
        if window.budget:  # servers sample one token at the least
            ids, ended = await self._complete(prompt, window.budget, seed)
            if ended:
                return ids, ended, None
        # Where the server gives no ids, they are those of its text, perhaps not of that number.
        spent = replace(window, budget=len(ids))
        hint = spent.hint if spent.phase(ids) == "hint" else ()
        ids = [*ids, *hint]
        rest = limit - window.budget - len(hint)
        more, ended = await self._complete([*prompt, *ids], rest, derive_seed(seed, 1))
        return [*ids, *more], ended, spent

    async def _complete(
        self, prompt: list[int], limit: int, seed: int, fields: Mapping[str, int] = {}
    ) -> tuple[list[int], bool]:
        """Return what is sampled, without its end token, and whether there was one."""
        completion = await self.server.wait(
            self.server.client.completions.create(
                model=self.server.model,
                prompt=prompt,
                max_tokens=limit,
                temperature=self.sampling.temperature,
                top_p=self.sampling.top_p,
                seed=seed & SEED,
                extra_body={**_PLAIN, "stop_token_ids": self.stops, **fields},
            )
        )
        choice = completion.choices[0]
        ended = choice.finish_reason == "stop"
        ids: list[int] | None = getattr(choice, "token_ids", None)
        if ids is None:
            ids = list(encode(self.tokenizer, choice.text))
        elif ended and ids and ids[-1] in self.stops:
            ids = ids[:-1]
        return ids, ended


def open(
    sampling: Sampling,
    model: str | BaseModelSection,
    efforts: EffortPrompts | None,
    window: ThinkingWindow | None,
) -> StreamingEngine:
    """Make a client of the recipe's server; see ``z1.engines.open_engine``."""
    endpoint = sampling.endpoint
    assert endpoint is not None  # the recipe's own check
    if endpoint.api == "chat":
        return ChatEngine(sampling, endpoint, model, efforts, window)
    return CompletionsEngine(sampling, endpoint, model, efforts, window)
