"""The vLLM engine: offline, with continuous batching, a copy of the model on every GPU.

The window is kept inside the engine, by z1's plug-in for vLLM. A reply depends on its request and
seed; what else is in the batch can only turn ties between nearly equal logits.
"""

import asyncio
import os
from importlib.metadata import entry_points
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from vllm import AsyncEngineArgs, SamplingParams
from vllm.inputs.engine import tokens_input
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind
from vllm.usage.usage_lib import UsageContext
from vllm.v1.engine.async_llm import AsyncLLM

from z1.engines import Reply, Request
from z1.engines.streaming import StreamingEngine
from z1.engines.windows import Windows, check_fit, divide
from z1.errors import InputError
from z1.models import as_base, encode_prompt, load_tokenizer, pick_dtype, stop_tokens
from z1.recipe import BaseModelSection, EffortPrompts, Sampling, ThinkingWindow
from z1.window import Window

PLUGINS = "vllm.logits_processors"  # vLLM's entry-point group
_CPU_CACHE = 2**30  # bytes for keys and values, where a GPU gives all that is free
_AHEAD = 2  # requests handed to vLLM for each one it answers, so that none is waited for


class VllmEngine(StreamingEngine):
    """A model in vLLM's processes."""

    def __init__(
        self,
        sampling: Sampling,
        model: str | BaseModelSection,
        efforts: EffortPrompts | None,
        window: ThinkingWindow | None,
    ) -> None:
        self.sampling = sampling
        self.tokenizer = load_tokenizer(model, efforts)
        self.stops = stop_tokens(model, self.tokenizer)
        self.windows = Windows(window, self.tokenizer, self.stops, sampling.max_tokens)
        if window is not None and not _has_plugin():
            raise InputError(
                "thinking budgets need z1's plug-in for vLLM, which is not registered in this "
                "environment: install z1 with pip here"
            )
        delimited = window is not None and window.delimiter is not None
        core = _start(make_arguments(as_base(model), sampling, delimited))
        self.llm = core.llm
        self.numbers = count()
        copies: int = core.started[0]["data_parallel_size"]
        super().__init__(core.loop, copies * sampling.batch_size * _AHEAD)

    async def answer(self, request: Request, seed: int) -> Reply:
        """Answer one request. Raises InputError if it does not fit into the model's context."""
        prompt = encode_prompt(self.tokenizer, request.prompt, request.effort)
        window = self.windows.make(request.budget)
        params = SamplingParams(
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            max_tokens=self.sampling.max_tokens,
            seed=seed if self.sampling.temperature else None,
            stop_token_ids=self.stops,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            extra_args=self._extra(window, len(prompt)),
        )
        number = str(next(self.numbers))
        async for output in self.llm.generate(tokens_input(prompt), params, number):
            reply = output.outputs[0]
        ended = reply.finish_reason == "stop"
        ids = list(reply.token_ids)
        return divide(self.tokenizer, ids[:-1] if ended else ids, ended, window)

    def _extra(self, window: Window | None, prompt: int) -> dict[str, Any] | None:
        """Return what the plug-in is to know of a request; see whether it fits the context."""
        context = self.llm.model_config.max_model_len
        section = self.windows.section
        check_fit(prompt, context, window, section)
        if window is None or section is None:
            return None
        reserve = section.reserve
        fields = {"budget": window.budget, "hint": list(window.hint), "reserve": reserve}
        return {"z1_window": {**fields, "delimiter": list(window.delimiter)}}


def make_arguments(base: BaseModelSection, sampling: Sampling, delimited: bool) -> dict[str, Any]:
    """Return how vLLM is started."""
    if current_platform.is_cpu():
        own: dict[str, Any] = {"enforce_eager": True, "kv_cache_memory_bytes": _CPU_CACHE}
        # A seeded request whose prompt is read in two steps ends vLLM on a CPU: it winds the
        # request's generator back, which a CPU's cannot do.
        own["enable_chunked_prefill"] = False
    else:
        # Scheduling ahead, the V1 runner has no ids in which to look for a delimiter.
        own = {"async_scheduling": False} if delimited else {}
    return {
        "model": base.path,
        "revision": base.revision,
        "skip_tokenizer_init": True,
        "dtype": str(pick_dtype(sampling.dtype)).removeprefix("torch."),
        # A reply is sampled as the recipe says, whatever the model's own defaults are.
        "generation_config": "vllm",
        "max_model_len": -1,  # all that the model was made for, or else that the memory holds
        "max_num_seqs": sampling.batch_size,
        "tensor_parallel_size": sampling.tensor_parallel,
        "data_parallel_size": _count_copies(sampling.tensor_parallel),
        "disable_log_stats": True,
        **own,
    }


class _Core(NamedTuple):
    started: tuple[dict[str, Any], list[int]]
    loop: asyncio.AbstractEventLoop
    llm: AsyncLLM


_running: list[_Core] = []


def _start(arguments: dict[str, Any]) -> _Core:
    """Return vLLM started so; one started otherwise is ended first, since it fills the GPUs."""
    weights = sorted(Path(arguments["model"]).glob("*.safetensors"))
    started = (arguments, [file.stat().st_mtime_ns for file in weights])
    if _running and _running[0].started == started and not _running[0].llm.errored:
        return _running[0]
    while _running:
        old = _running.pop()
        old.llm.shutdown()
        old.loop.close()
    # A forked process could not use a GPU that this one has touched.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    loop = asyncio.new_event_loop()
    _running.append(_Core(started, loop, loop.run_until_complete(_open(arguments))))
    return _running[0]


async def _open(arguments: dict[str, Any]) -> AsyncLLM:
    # By this vLLM picks how many tokens of prompts it reads in one step: as many as its own class
    # for offline use does, up to eight times those of an engine without a purpose.
    return AsyncLLM.from_engine_args(
        AsyncEngineArgs(**arguments), usage_context=UsageContext.LLM_CLASS
    )


def _count_copies(tensor_parallel: int) -> int:
    """Return how many copies of the model the machine's GPUs hold; on a CPU it is one."""
    devices = 1 if current_platform.is_cpu() else current_platform.device_count()
    if tensor_parallel > devices:
        raise InputError(
            f"tensor_parallel is {tensor_parallel}, but this machine has {devices} device(s)"
        )
    return devices // tensor_parallel


def _has_plugin() -> bool:
    return any(point.value.startswith("z1.") for point in entry_points(group=PLUGINS))


def open(
    sampling: Sampling,
    model: str | BaseModelSection,
    efforts: EffortPrompts | None,
    window: ThinkingWindow | None,
) -> VllmEngine:
    """Start vLLM with the model; see ``z1.engines.open_engine``."""
    return VllmEngine(sampling, model, efforts, window)
