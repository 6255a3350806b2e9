"""The transformers engine: batches of like length, on a GPU if there is one, else the CPU."""

from collections.abc import Sequence
from typing import Any

import torch

from z1.engines import Reply, Request, derive_seed
from z1.models import load_model, load_tokenizer, stop_tokens
from z1.recipe import BaseModelSection, EffortPrompts, Sampling
from z1.records import EFFORTS


class TransformersEngine:
    """A Hugging Face model in this process."""

    def __init__(
        self, sampling: Sampling, model: str | BaseModelSection, efforts: EffortPrompts | None
    ) -> None:
        self.sampling = sampling
        self.tokenizer = load_tokenizer(model, efforts)
        self.tokenizer.padding_side = "left"
        self.model = load_model(model, sampling.dtype).eval()
        self.stops = stop_tokens(self.model, self.tokenizer)
        self.pad = self.tokenizer.pad_token_id

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order; seeded by ``seed`` alone."""
        prompts = [self._prompt(request) for request in requests]
        # Replies of one batch end at about the same time: effort decides their length most,
        # then the prompt's length.
        order = sorted(
            range(len(requests)), key=lambda i: (_rank(requests[i].effort), len(prompts[i]))
        )
        replies: list[Reply | None] = [None] * len(requests)
        size = self.sampling.batch_size
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            answered = self._batch([prompts[i] for i in batch], derive_seed(seed, start))
            for i, reply in zip(batch, answered, strict=True):
                replies[i] = reply
        return [reply for reply in replies if reply is not None]

    def _prompt(self, request: Request) -> list[int]:
        ids: list[int] = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": request.prompt}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
            **({} if request.effort is None else {"reasoning_effort": request.effort}),
        )
        return ids

    def _batch(self, prompts: list[list[int]], seed: int) -> list[Reply]:
        width = max(map(len, prompts))
        ids = [[self.pad] * (width - len(p)) + p for p in prompts]
        mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
        device = self.model.device
        sampled: dict[str, Any] = {"do_sample": False}
        if self.sampling.temperature > 0:
            sampled = {
                "do_sample": True,
                "temperature": self.sampling.temperature,
                "top_p": self.sampling.top_p,
                "top_k": 0,
            }
        torch.manual_seed(seed)
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
                max_new_tokens=self.sampling.max_tokens,
                eos_token_id=self.stops,
                pad_token_id=self.pad,
                **sampled,
            )
        return [self._reply(row) for row in output[:, width:].tolist()]

    def _reply(self, ids: list[int]) -> Reply:
        end = next((i for i, token in enumerate(ids) if token in self.stops), None)
        text = self.tokenizer.decode(ids[:end], skip_special_tokens=True)
        if end is None:
            return Reply(text, len(ids), "length")
        return Reply(text, end, "stop")


def _rank(effort: str | None) -> int:
    return -1 if effort is None else EFFORTS.index(effort)


def open(
    sampling: Sampling, model: str | BaseModelSection, efforts: EffortPrompts | None
) -> TransformersEngine:
    """Load the model; see ``z1.engines.open_engine``."""
    return TransformersEngine(sampling, model, efforts)
