"""How many tokens a second does the generate stage sample, against its engines called directly?

The stage is run as in a pipeline, from problems on disk to parts on disk, on a share of the demo's
problems at all three efforts; the model is the tiny one with the demo's effort prompts. Its peers
get the same requests as token ids, sampled by the same settings, and keep the ids of the replies:
for the transformers engine, transformers' own ``generate`` on batches of the same size in order of
arrival; for vLLM, the very engine that the stage uses, given all requests at once, and vLLM's
``LLM``. They are measured in turn, so that other load on the machine meets all:

    .venv-vllm/bin/python benchmarks/generate.py --json generate.json

Where vLLM is not installed, its half is left out. Imports are in no figure. Loading the model is
part of what is measured with transformers, on both sides; vLLM is started before, on both sides.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

import torch

from z1.efforts import write_card
from z1.engines import build_requests, derive_seed
from z1.models import as_base, encode_prompt, load_model, load_tokenizer, stop_tokens
from z1.progress import spare_logs
from z1.recipe import Recipe, Sampling, load_recipe
from z1.records import EFFORTS, PROBLEM, TRAJECTORY, scan
from z1.stages import run_stage
from z1.tiny import MODEL

ROOT = Path(__file__).parent.parent
OPTIONS = {"split": "train", "efforts": "all"}
Way = Callable[[], int]
"""Answers all requests, and returns how many tokens the replies have, end tokens apart."""


class Asked(NamedTuple):
    """A request as an engine gets it."""

    ids: list[int]
    seed: int


def make_inputs(recipe: Recipe, folder: Path) -> dict[str, Path]:
    """Write the problems, and a model with effort prompts as one that the pipeline has trained."""
    inputs = {"problems": folder / "problems", "model": folder / "model"}
    run_stage("problems", recipe, "problems", {}, inputs["problems"])
    shutil.copytree(MODEL, inputs["model"])
    load_tokenizer(recipe.model, recipe.efforts).save_pretrained(inputs["model"])
    write_card(inputs["model"], efforts=True)
    return inputs


def take_share(recipe: Recipe, problems: int) -> Recipe:
    """Return the demo's recipe with about so many training problems, as uneven as all of them."""
    section = recipe.problems
    share = problems / section.splits.train / sum(source.count for source in section.sources)
    sources = [
        source.model_copy(update={"count": round(source.count * share)})
        for source in section.sources
    ]
    return recipe.model_copy(update={"problems": section.model_copy(update={"sources": sources})})


def list_requests(recipe: Recipe, inputs: dict[str, Path]) -> list[Asked]:
    """Return what the stage asks, in the same order and with the same seeds."""
    problems = scan(inputs["problems"] / "train.parquet", PROBLEM).collect()
    tokenizer = load_tokenizer(str(inputs["model"]))
    rows = build_requests(problems, EFFORTS, recipe.generate.samples)
    size = recipe.generate.part_size
    return [
        Asked(
            encode_prompt(tokenizer, row["prompt"], row["effort"]),
            derive_seed(derive_seed(recipe.seed, i // size), i % size),
        )
        for i, row in enumerate(rows.iter_rows(named=True))
    ]


def run_generate(recipe: Recipe, inputs: dict[str, Path]) -> int:
    """Run the stage, from nothing."""
    output = inputs["problems"].with_name("replies")
    shutil.rmtree(output, ignore_errors=True)
    run_stage("generate", recipe, "generate", inputs, output, OPTIONS)
    tokens: int = scan(output, TRAJECTORY).collect()["thinking_tokens"].sum()
    return tokens


def count_tokens(ids: list[int], stops: list[int]) -> int:
    """Return how many ids stand before the first that ends the reply."""
    return next((i for i, token in enumerate(ids) if token in stops), len(ids))


@torch.inference_mode()
def run_transformers(sampling: Sampling, folder: Path, requests: list[Asked]) -> int:
    """Answer with transformers' ``generate``: batches in order of arrival, padded on the left."""
    from transformers import GenerationConfig

    model = load_model(str(folder), sampling.dtype).eval()
    tokenizer = load_tokenizer(str(folder))
    stops, pad = stop_tokens(str(folder), tokenizer), tokenizer.pad_token_id
    config = GenerationConfig(
        do_sample=True,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=0,
        max_new_tokens=sampling.max_tokens,
        eos_token_id=stops,
        pad_token_id=pad,
    )
    torch.manual_seed(0)
    tokens = 0
    for start in range(0, len(requests), sampling.batch_size):
        batch = [request.ids for request in requests[start : start + sampling.batch_size]]
        width = max(map(len, batch))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])
        replies = model.generate(
            ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
        )
        tokens += sum(count_tokens(row, stops) for row in replies[:, width:].tolist())
    return tokens


def vllm_parameters(sampling: Sampling, stops: list[int], seed: int) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=seed,
        stop_token_ids=stops,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def run_async_llm(engine: Any, sampling: Sampling, requests: list[Asked]) -> int:
    """Answer with the stage's own vLLM, which gets all requests at once."""
    from vllm.inputs.engine import tokens_input

    async def answer(number: int, request: Asked) -> int:
        parameters = vllm_parameters(sampling, engine.stops, request.seed)
        given = tokens_input(request.ids)
        async for output in engine.llm.generate(given, parameters, f"direct-{number}"):
            ids = list(output.outputs[0].token_ids)
        return count_tokens(ids, engine.stops)

    async def answer_all() -> list[int]:
        return await asyncio.gather(*(answer(*numbered) for numbered in enumerate(requests)))

    return sum(engine.loop.run_until_complete(answer_all()))


def run_llm(llm: Any, sampling: Sampling, stops: list[int], requests: list[Asked]) -> int:
    """Answer with vLLM's class for offline use."""
    from vllm.inputs import TokensPrompt

    outputs = llm.generate(
        [TokensPrompt(prompt_token_ids=request.ids) for request in requests],
        [vllm_parameters(sampling, stops, request.seed) for request in requests],
        use_tqdm=False,
    )
    return sum(count_tokens(list(output.outputs[0].token_ids), stops) for output in outputs)


def measure(engine: str, ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Measure the ways in turn, after a round that warms up; print and return the ratios."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    tokens: dict[str, list[int]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            found = ways[name]()
            if number:
                rates[name].append(found / (time.perf_counter() - start))
                tokens[name].append(found)
    ratios = {}
    for name, way in rates.items():
        line = f"| {engine} | {name} | {statistics.median(tokens[name]):.0f} |"
        line += f" {statistics.median(way):.0f} |"
        if name != "stage":
            over = [ours / theirs for ours, theirs in zip(rates["stage"], way, strict=True)]
            ratios[f"{engine}-stage-over-{name}"] = statistics.median(over)
            line += f" {statistics.median(over):.2f} | {min(over):.2f}-{max(over):.2f} |"
        print(line if name != "stage" else f"{line} | |", flush=True)
    return ratios


def measure_transformers(recipe: Recipe, inputs: dict[str, Path], rounds: int) -> dict[str, float]:
    requests = list_requests(recipe, inputs)
    ways: dict[str, Way] = {
        "stage": lambda: run_generate(recipe, inputs),
        "generate": lambda: run_transformers(recipe.generate, inputs["model"], requests),
    }
    return measure("transformers", ways, rounds)


def measure_vllm(recipe: Recipe, inputs: dict[str, Path], rounds: int) -> dict[str, float]:
    from vllm import LLM
    from vllm.platforms import current_platform

    from z1.engines.vllm import make_arguments, open

    sampling = recipe.generate.model_copy(update={"engine": "vllm"})
    recipe = recipe.model_copy(update={"generate": sampling})
    requests, model = list_requests(recipe, inputs), str(inputs["model"])
    engine = open(sampling, model, None, None)  # the stage finds it running
    ways: dict[str, Way] = {
        "stage": lambda: run_generate(recipe, inputs),
        "AsyncLLM": lambda: run_async_llm(engine, sampling, requests),
    }
    if current_platform.is_cpu():  # a GPU is filled by one engine
        llm = LLM(**make_arguments(as_base(model), sampling, False))
        ways["LLM"] = lambda: run_llm(llm, sampling, engine.stops, requests)
    return measure("vllm", ways, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=680, help="each asked at three efforts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the ratios here")
    args = parser.parse_args()
    spare_logs()
    recipe = take_share(load_recipe(ROOT / "recipes" / "demo.yaml"), args.problems)
    installed = [name for name in ("transformers", "torch", "vllm") if find_spec(name)]
    versions = ", ".join(f"{name} {import_module(name).__version__}" for name in installed)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    print(f"{versions}, {device}, {torch.get_num_threads()} threads\n")
    print(
        "| engine | way | tokens | tokens/s | stage over it | spread |\n|---|---|--:|--:|--:|--:|"
    )
    with tempfile.TemporaryDirectory() as name:
        inputs = make_inputs(recipe, Path(name))
        ratios = measure_transformers(recipe, inputs, args.rounds)
        if "vllm" in installed:
            ratios |= measure_vllm(recipe, inputs, args.rounds)
    if "vllm" not in installed:
        print("\nvLLM is not installed here and so not measured: `make vllm-env`")
    if args.json:
        args.json.write_text(json.dumps({"ratios": ratios}, indent=1) + "\n")


if __name__ == "__main__":
    main()
