"""The chat half of the endpoint engine, for servers that keep their tokenizer to themselves.

Token counts are the server's word, and most servers count the end token. What it samples by, but
for temperature, nucleus and seed, is the server's own.
"""

from typing import Any

from z1.engines import Reply, Request
from z1.engines.client import SEED, Server
from z1.engines.streaming import StreamingEngine
from z1.errors import InputError
from z1.recipe import BaseModelSection, EffortPrompts, Endpoint, Sampling, ThinkingWindow


class ChatEngine(StreamingEngine):
    """A server that takes messages."""

    def __init__(
        self,
        sampling: Sampling,
        endpoint: Endpoint,
        model: str | BaseModelSection,
        efforts: EffortPrompts | None,
        window: ThinkingWindow | None,
    ) -> None:
        self.sampling = sampling
        self.efforts = efforts
        self.server = Server(endpoint, model)
        if window is not None and not self.server.keeps(window):
            self.server.close()
            raise InputError(
                f"endpoint {self.server.url}: thinking budgets over the chat API need `z1 serve` "
                f"with the recipe's hint {window.hint!r}, and no delimiter; with `api: completions`"
                " any server will do"
            )
        super().__init__(self.server.loop, endpoint.concurrency)

    async def answer(self, request: Request, seed: int) -> Reply:
        """Answer one request. Raises InputError if the server refuses it or is gone."""
        fields: dict[str, Any] = {}
        if request.effort is not None and self.efforts is None:
            fields["reasoning_effort"] = request.effort
        if request.budget is not None:
            fields["thinking_token_budget"] = request.budget
        completion = await self.server.wait(
            self.server.client.chat.completions.create(
                model=self.server.model,
                messages=self._messages(request),
                max_completion_tokens=self.sampling.max_tokens,
                temperature=self.sampling.temperature,
                top_p=self.sampling.top_p,
                seed=seed & SEED,
                extra_body=fields,
            )
        )
        choice = completion.choices[0]
        finish = "stop" if choice.finish_reason == "stop" else "length"
        text = choice.message.content or ""
        reasoning = getattr(choice.message, "reasoning", None) or ""
        window = getattr(choice, "window", None)
        if window is not None:
            closed = window["closed"]
            return Reply(
                text=text,
                thinking_tokens=window["thinking_tokens"],
                finish_reason=finish,
                reasoning=reasoning if closed else None,
                hint_tokens=window["hint_tokens"],
                answer_tokens=window["answer_tokens"],
            )
        if completion.usage is None:
            raise InputError(
                f"endpoint {self.server.url}: it does not say how many tokens a reply has; use "
                "`api: completions`"
            )
        # A server may set a model's own thinking apart; it is part of the reply all the same.
        whole = "\n\n".join(part for part in (reasoning, text) if part)
        counted = completion.usage.completion_tokens_details
        hidden = 0 if reasoning or counted is None else counted.reasoning_tokens or 0
        return Reply(whole, completion.usage.completion_tokens, finish, hidden_tokens=hidden)

    def _messages(self, request: Request) -> Any:
        messages = [{"role": "user", "content": request.prompt}]
        if self.efforts is not None and request.effort is not None:
            asked = getattr(self.efforts, request.effort)
            messages.insert(0, {"role": "system", "content": asked})
        return messages
