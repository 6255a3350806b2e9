"""The transformers engine: batches of like length, on a GPU if there is one, else the CPU."""

from collections.abc import Sequence

import torch
from transformers import DynamicCache
from transformers.generation.logits_process import TopPLogitsWarper

from z1.engines import Reply, Request, derive_seed
from z1.engines.windows import Windows, check_fit, divide
from z1.models import context_size, encode_prompt, load_model, load_tokenizer, stop_tokens
from z1.recipe import BaseModelSection, EffortPrompts, Sampling, ThinkingWindow
from z1.records import EFFORTS
from z1.window import Window

_NOTHING = -1  # stands where no token was sampled


class TransformersEngine:
    """A Hugging Face model in this process."""

    def __init__(
        self,
        sampling: Sampling,
        model: str | BaseModelSection,
        efforts: EffortPrompts | None,
        window: ThinkingWindow | None,
    ) -> None:
        self.sampling = sampling
        self.tokenizer = load_tokenizer(model, efforts)
        self.model = load_model(model, sampling.dtype).eval()
        self.stops = stop_tokens(model, self.tokenizer)
        self.windows = Windows(window, self.tokenizer, self.stops, sampling.max_tokens)
        self.context = context_size(model)

    def sample(self, requests: Sequence[Request], seed: int) -> list[Reply]:
        """Answer each request, in order; seeded by ``seed`` alone.

        Raises InputError if one does not fit into the model's context.
        """
        prompts = [encode_prompt(self.tokenizer, r.prompt, r.effort) for r in requests]
        windows = [self.windows.make(request.budget) for request in requests]
        if self.context is not None:
            for ids, window in zip(prompts, windows, strict=True):
                check_fit(len(ids), self.context, window, self.windows.section)
        # Replies of one batch end at about the same time: budget and effort decide their length
        # most, then the prompt's length.
        order = sorted(
            range(len(requests)),
            key=lambda i: (
                self.sampling.max_tokens if (w := windows[i]) is None else w.budget,
                _rank(requests[i].effort),
                len(prompts[i]),
            ),
        )
        replies: list[Reply | None] = [None] * len(requests)
        size = self.sampling.batch_size
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            answered = self._batch(
                [prompts[i] for i in batch], [windows[i] for i in batch], derive_seed(seed, start)
            )
            for i, reply in zip(batch, answered, strict=True):
                replies[i] = reply
        return [reply for reply in replies if reply is not None]

    @torch.inference_mode()
    def _batch(
        self, prompts: list[list[int]], windows: list[Window | None], seed: int
    ) -> list[Reply]:
        """Sample one reply to each prompt, side by side; rows that have ended are dropped.

        A reply is cut at the token limit, or where the model's context is full.
        The model's own generation defaults (a repetition penalty, say) do not apply: a reply is
        sampled as the recipe says.
        """
        device = self.model.device
        ids, mask = self._pad(prompts)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        generator = torch.Generator(device).manual_seed(seed)
        stops = torch.tensor(self.stops, device=device)
        rows = torch.arange(len(prompts), device=device)  # the replies the batch's rows belong to
        alive = torch.ones_like(rows, dtype=torch.bool)
        limits = torch.tensor([self._limit(len(prompt)) for prompt in prompts], device=device)
        sampled = torch.full((len(prompts), int(limits.max())), _NOTHING)
        cache = DynamicCache(config=self.model.config)
        for step in range(sampled.shape[1]):
            logits = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            tokens = self._pick(logits, generator)
            self._force(tokens, rows, sampled, windows, step)
            sampled[rows[alive].cpu(), step] = tokens[alive].cpu()
            alive &= ~torch.isin(tokens, stops) & (limits[rows] > step + 1)
            left = int(alive.sum())
            if left == 0:
                break
            # Copying the cache costs about a step, so ended rows go a quarter at a time.
            if left <= 0.75 * len(rows):
                kept = alive.nonzero().squeeze(-1)
                cache.batch_select_indices(kept)
                rows, tokens, mask, positions, alive = (
                    part[kept] for part in (rows, tokens, mask, positions, alive)
                )
            ids = tokens.unsqueeze(-1)
            mask = torch.cat([mask, torch.ones_like(ids)], dim=-1)
            positions = positions[:, -1:] + 1
        return [self._reply(*row) for row in zip(sampled.tolist(), windows, strict=True)]

    def _pad(self, prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids and attention mask, padded on the left."""
        width = max(map(len, prompts))
        ids = [[self.tokenizer.pad_token_id] * (width - len(p)) + p for p in prompts]
        mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
        device = self.model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _pick(self, logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the next token of each row."""
        if self.sampling.temperature == 0:
            return logits.argmax(-1)
        scores = logits.float() / self.sampling.temperature
        if self.sampling.top_p < 1:
            scores = TopPLogitsWarper(self.sampling.top_p)(None, scores)
        return torch.multinomial(scores.softmax(-1), 1, generator=generator).squeeze(-1)

    @staticmethod
    def _force(
        tokens: torch.Tensor,
        rows: torch.Tensor,
        sampled: torch.Tensor,
        windows: list[Window | None],
        step: int,
    ) -> None:
        """Put the hint's token in place of what was picked, in each row whose window closes."""
        for place, row in enumerate(rows.tolist()):
            window = windows[row]
            if window is None or not window.budget <= step < window.budget + len(window.hint):
                continue
            forced = window.forced(sampled[row, :step].tolist())
            if forced is not None:
                tokens[place] = forced

    def _reply(self, ids: list[int], window: Window | None) -> Reply:
        ids = [token for token in ids if token != _NOTHING]
        end = next((i for i, token in enumerate(ids) if token in self.stops), None)
        return divide(self.tokenizer, ids[:end], end is not None, window)

    def _limit(self, prompt: int) -> int:
        """Return the most tokens of a reply to a prompt of so many tokens."""
        limit = self.sampling.max_tokens
        return limit if self.context is None else min(limit, self.context - prompt)


def _rank(effort: str | None) -> int:
    return -1 if effort is None else EFFORTS.index(effort)


def open(
    sampling: Sampling,
    model: str | BaseModelSection,
    efforts: EffortPrompts | None,
    window: ThinkingWindow | None,
) -> TransformersEngine:
    """Load the model; see ``z1.engines.open_engine``."""
    return TransformersEngine(sampling, model, efforts, window)
