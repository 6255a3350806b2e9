"""The thinking window inside vLLM: one plug-in for both of its model runners.

vLLM loads ``Plugin`` from the entry-point group ``vllm.logits_processors``, in the server (to check
requests) and in the engine. The V1 runner calls it with three arguments and the V2 runner, which
takes subclasses of its own interface only, with two; that tells them apart.

Neither keeps state of its own about a reply: how many tokens are there decides what is forced, so
preemption and asynchronous scheduling, which runs ahead of the sampled ids, change nothing.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.logger import init_logger
from vllm.utils.torch_utils import async_tensor_h2d
from vllm.v1.sample.logits_processor import BatchUpdate, process_dict_updates
from vllm.v1.sample.logits_processor import LogitsProcessor as V1Processor
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcRequestState
from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as V2Processor

from z1.serving.carried import read, settle, settled
from z1.window import Window, check_room

logger = init_logger(__name__)
_NEVER = np.iinfo(np.int64).max


class V1Windows(V1Processor):
    """For the V1 runner, which tells of each request's row and of the ids of its reply so far."""

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        self.rows: dict[int, tuple[Window, list[int]]] = {}
        self.vocabulary = vllm_config.model_config.get_vocab_size()
        self.ahead = bool(vllm_config.scheduler_config.async_scheduling)

    def is_argmax_invariant(self) -> bool:
        """Say that greedy sampling changes too."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests that came, went, moved or swapped rows."""
        process_dict_updates(self.rows, batch_update, self._row)

    def _row(
        self, params: SamplingParams, prompt: list[int] | None, ids: list[int]
    ) -> tuple[Window, list[int]] | None:
        window = _window(params, self.vocabulary)
        if window is None:
            return None
        if window.delimiter and self.ahead:
            # The runner leaves placeholders where only the number of ids is asked for.
            raise RuntimeError("a window with a delimiter needs async_scheduling=False")
        return window, ids

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Force the next token of the hint in each row that is inside it."""
        forced = {}
        for row, (window, ids) in self.rows.items():
            # Only inside the hint is there anything to ask; a reply is rarely there.
            if 0 <= len(ids) - window.budget < len(window.hint):
                token = window.forced(ids)
                if token is not None:
                    forced[row] = token
        if forced:
            _force(logits, forced)
        return logits


class V2Windows(V2Processor):
    """For the V2 runner, where requests keep a slot and their ids stay on the GPU."""

    def __init__(self, vllm_config: VllmConfig, req_states: LogitsProcRequestState) -> None:
        self.states = req_states
        self.speculative = vllm_config.speculative_config is not None
        self.windows: dict[int, Window] = {}
        # The numbers of tokens between which a slot is inside its hint.
        self.first = np.full(req_states.max_num_reqs, _NEVER)
        self.last = np.full(req_states.max_num_reqs, _NEVER)

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Take a request into a slot, whoever was there before."""
        self.first[req_idx] = self.last[req_idx] = _NEVER
        window = _window(sampling_params, self.states.vocab_size)
        if window is None:
            return False
        if self.speculative:
            raise RuntimeError("thinking windows do not go with speculative decoding")
        self.windows[req_idx] = window
        self.first[req_idx] = window.budget
        self.last[req_idx] = window.budget + len(window.hint)
        return True

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        """Force the next token of the hint in each row that is inside it."""
        slots = ctx.idx_mapping_np
        lengths = ctx.seq_lens_upper_bound_np[: len(slots)]  # exact: nothing is speculative
        spent = lengths.astype(np.int64) - self.states.prompt_len.np[slots]
        inside = np.flatnonzero((self.first[slots] <= spent) & (spent < self.last[slots]))
        forced, free = {}, {}
        for row in inside.tolist():
            slot = int(slots[row])
            window = self.windows[slot]
            if window.delimiter:
                free[row] = self._delimited(slot, window), logits[row].clone()
            # Without the delimiter a window asks for nothing but the number of ids.
            token = replace(window, delimiter=()).forced(range(int(spent[row])))
            assert token is not None
            forced[row] = token
        if forced:
            _force(logits, forced)
        for row, (delimited, before) in free.items():
            logits[row] = torch.where(delimited, before, logits[row])
        return logits

    def _delimited(self, slot: int, window: Window) -> torch.Tensor:
        """Tell, on the GPU and without waiting for it, whether the delimiter was written."""
        start = int(self.states.prompt_len.np[slot])
        thought = self.states.all_token_ids.gpu[slot, start : start + window.budget]
        width = len(window.delimiter)
        if len(thought) < width:
            return torch.zeros((), dtype=torch.bool, device=thought.device)
        sought = async_tensor_h2d(list(window.delimiter), thought.device, thought.dtype)
        return (thought.unfold(0, width, 1) == sought).all(-1).any()


class Plugin(V1Processor, V2Processor):
    """What vLLM loads; an instance of it is one of the two above."""

    def __new__(cls, vllm_config: VllmConfig, *rest: Any) -> Any:
        """Make the processor of the runner that asks for one."""
        return V1Windows(vllm_config, *rest) if len(rest) == 2 else V2Windows(vllm_config, *rest)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raise ValueError, which is an HTTP 400, for a window that cannot be kept."""
        carried = read(sampling_params.extra_args)
        if carried is None:
            return
        window = settle(carried, sampling_params.max_tokens)
        if sampling_params.max_tokens is not None:
            try:
                check_room(window, carried.reserve, sampling_params.max_tokens)
            except ValueError as error:
                fields = "thinking_token_budget, max_completion_tokens"
                raise ValueError(f"{error} ({fields})") from error
        if set(window.hint) & set(sampling_params.stop_token_ids or []):
            raise ValueError("stop_token_ids: one of them is in the hint; leave it out")
        if sampling_params.structured_outputs is not None:
            raise ValueError(
                "structured outputs and a thinking budget do not go together; leave one out"
            )
        if carried.ticket in settled:
            settled[carried.ticket] = window.budget


def _window(params: SamplingParams, vocabulary: int) -> Window | None:
    carried = read(params.extra_args)
    if carried is None:
        return None
    if max(carried.window.hint) >= vocabulary:
        # Only the engine knows the model; here one bad request must not end all the others.
        logger.error("a thinking window is left open: its hint has ids that the model has not")
        return None
    return settle(carried, params.max_tokens)


def _force(logits: torch.Tensor, forced: dict[int, int]) -> None:
    """Leave one possible token in each of the rows."""
    rows = async_tensor_h2d(list(forced), logits.device, torch.int64)
    tokens = async_tensor_h2d(list(forced.values()), logits.device, torch.int64)
    logits[rows] = -torch.inf
    logits[rows, tokens] = 0.0
