"""What does a thinking window cost? One pass against two calls, and against no plug-in at all.

    .venv-vllm/bin/python benchmarks/window.py --json window.json

Run in the environment of `make vllm-env`, this starts two servers with the tiny model: `z1 serve`,
and vLLM's own without z1. On the first, greedy requests with a budget are answered in one pass, and
by its peer, the two calls of the Z1 repository: as many tokens as the budget has, then, for a reply
that did not end within them, prompt, reply and hint once more for the answer. Both give the same
tokens. Then requests without a budget go to both servers. Every round measures both sides of each
pair one after the other, in turns first; a ratio is the median over the rounds, with its 95 %
interval from a bootstrap over them.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from z1.models import as_base, encode_prompt, load_tokenizer

HINT = "\nanswer\n"
LIMIT = 200  # tokens of a whole reply
LONG, SHORT = 150, 12  # budgets that no reply and every reply overruns
SHARES = {"window_0": 0.0, "window_50": 0.5, "window_100": 1.0}
EXPECTED = {"window_0": 0.97, "window_50": 1.1, "window_100": 1.2, "no_window": 0.97}
TITLES = {
    "window_0": "one pass / two calls, 0 % overrun",
    "window_50": "one pass / two calls, 50 % overrun",
    "window_100": "one pass / two calls, 100 % overrun",
    "no_window": "z1 serve / vLLM without z1, no windows",
}
# vLLM's server with every plug-in but z1's; its child processes import this file too.
PLAIN = """
import importlib.metadata as metadata

_all = metadata.entry_points
metadata.entry_points = lambda **names: (
    metadata.EntryPoints(point for point in _all(**names) if point.name != "z1")
    if names.get("group") == "vllm.logits_processors"
    else _all(**names)
)

if __name__ == "__main__":
    from vllm.entrypoints.launchers.api_server.entry import main

    main()
"""


@contextlib.contextmanager
def serve(command: list[Any], port: int, log: Path) -> Iterator[str]:
    """Run a server until the block ends."""
    with log.open("w") as file:
        process = subprocess.Popen(
            list(map(str, command)), cwd=log.parent, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None:
                sys.exit(log.read_text()[-3000:])
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Client:
    """Sends prompts as token ids, so many at a time."""

    def __init__(self, session: aiohttp.ClientSession, hint: list[int], at_once: int) -> None:
        self.session = session
        self.hint = hint
        self.gate = asyncio.Semaphore(at_once)

    async def complete(
        self, url: str, prompt: list[int], limit: int, **more: int
    ) -> tuple[list[int], str]:
        """Return a reply's ids and why it ended."""
        body = {"model": "tiny", "prompt": prompt, "max_tokens": limit, "temperature": 0, **more}
        async with self.session.post(
            f"{url}/v1/completions", json={**body, "return_token_ids": True}
        ) as answer:
            answer.raise_for_status()
            choice = (await answer.json())["choices"][0]
        return choice["token_ids"], choice["finish_reason"]

    async def one_pass(self, url: str, prompt: list[int], budget: int) -> list[int]:
        return (await self.complete(url, prompt, LIMIT, thinking_token_budget=budget))[0]

    async def two_calls(self, url: str, prompt: list[int], budget: int) -> list[int]:
        thought, finish = await self.complete(url, prompt, budget)
        if finish != "length":
            return thought
        ids = [*thought, *self.hint]
        return ids + (await self.complete(url, prompt + ids, LIMIT - len(ids)))[0]

    async def plain(self, url: str, prompt: list[int], budget: int) -> list[int]:
        return (await self.complete(url, prompt, LIMIT))[0]

    async def time(
        self,
        send: Callable[[str, list[int], int], Awaitable[list[int]]],
        url: str,
        asks: list[tuple[list[int], int]],
    ) -> tuple[float, list[list[int]]]:
        """Return requests a second, and the replies."""

        async def one(prompt: list[int], budget: int) -> list[int]:
            async with self.gate:
                return await send(url, prompt, budget)

        start = time.perf_counter()
        replies = await asyncio.gather(*(one(*ask) for ask in asks))
        return len(asks) / (time.perf_counter() - start), replies


async def measure(
    z1: str, vllm: str, prompts: list[list[int]], hint: list[int], rounds: int, at_once: int
) -> dict[str, list[tuple[float, float]]]:
    """Return requests a second of both sides of each pair, a round each."""
    rng = random.Random(0)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in TITLES}
    timeout = aiohttp.ClientTimeout(600)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        client = Client(session, hint, at_once)
        for number in range(-1, rounds):  # the first only warms up
            for name in TITLES:
                few = round(len(prompts) * SHARES.get(name, 0))
                budgets = [SHORT] * few + [LONG] * (len(prompts) - few)
                rng.shuffle(budgets)
                asks = list(zip(prompts, budgets, strict=True))
                if name in SHARES:
                    sides = [(client.one_pass, z1), (client.two_calls, z1)]
                else:
                    sides = [(client.plain, z1), (client.plain, vllm)]
                pair = [0.0, 0.0]
                replies: list[list[list[int]]] = [[], []]
                for side in (0, 1) if number % 2 else (1, 0):
                    send, url = sides[side]
                    pair[side], replies[side] = await client.time(send, url, asks)
                same = np.mean([a == b for a, b in zip(*replies, strict=True)])
                assert same > 0.95, f"{name}: the two sides gave other replies ({same:.2f})"
                if number >= 0:
                    rates[name].append((pair[0], pair[1]))
            print(f"round {number + 1}/{rounds}", file=sys.stderr)
    return rates


def summarize(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the median ratio and its 95 % interval."""
    ratios = np.array([ours / theirs for ours, theirs in pairs])
    drawn = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for the ratios")
    parser.add_argument("--model", default="tiny", help="a folder, a hub id or tiny")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=128, help="requests a measurement")
    parser.add_argument("--concurrent", type=int, default=32)
    settings = parser.parse_args()
    tokenizer = load_tokenizer(settings.model)
    rng = random.Random(0)
    sums = [[rng.randrange(10, 100) for _ in range(4)] for _ in range(settings.requests)]
    prompts = [encode_prompt(tokenizer, " + ".join(map(str, terms)), None) for terms in sums]
    hint: list[int] = tokenizer(HINT, add_special_tokens=False)["input_ids"]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, ports = Path(name), [free_port(), free_port()]
        (folder / "plain.py").write_text(PLAIN)
        shared: list[Any] = ["--served-model-name", "tiny", "--kv-cache-memory-bytes", 2**28]
        ours: list[Any] = [
            sys.executable,
            "-m",
            "z1.serving",
            settings.model,
            "--hint",
            HINT,
            "--reserve",
            8,
        ]
        ours += ["--host", "127.0.0.1", "--port", ports[0], "--", *shared]
        path = as_base(settings.model).path
        theirs: list[Any] = [
            sys.executable,
            "plain.py",
            "--model",
            path,
            "--host",
            "127.0.0.1",
            "--port",
            ports[1],
        ]
        theirs += ["--dtype", "float32", "--enforce-eager", *shared]
        z1 = stack.enter_context(serve(ours, ports[0], folder / "z1.log"))
        vllm = stack.enter_context(serve(theirs, ports[1], folder / "vllm.log"))
        rates = asyncio.run(measure(z1, vllm, prompts, hint, settings.rounds, settings.concurrent))
    print(f"{settings.concurrent} concurrent requests, {settings.rounds} paired rounds\n")
    print("| requests a second | ours | peer | ratio (95 % interval) | expected |")
    print("|---|---|---|---|---|")
    ratios = {}
    for name, title in TITLES.items():
        ratios[name], low, high = summarize(rates[name])
        ours_rate, peers_rate = np.median(np.array(rates[name]), axis=0)
        print(
            f"| {title} | {ours_rate:.1f} | {peers_rate:.1f} | {ratios[name]:.3f} "
            f"({low:.3f} to {high:.3f}) | above {EXPECTED[name]} |"
        )
    if settings.json:
        settings.json.write_text(json.dumps({"ratios": ratios}) + "\n")


if __name__ == "__main__":
    main()
