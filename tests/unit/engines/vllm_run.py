"""What test_vllm.py checks, done in vLLM's own environment: ``python vllm_run.py MODEL FOLDER``.

It writes ``FOLDER/results.json`` and parts beside it. All of it is one start of vLLM.
"""

import json
import sys
from pathlib import Path

import polars as pl

from z1.engines import Request, open_engine, sample_parts
from z1.errors import InputError
from z1.recipe import Sampling, ThinkingWindow

HINT = "\nanswer\n"
WINDOW = ThinkingWindow(hint=HINT, reserve=8)
TAGGED = ThinkingWindow(hint=HINT, reserve=8, delimiter="=")
BUDGETS = [0, 1, 3, 8, 25, None]
PROMPTS = ["23 + 45", "1 + 2 + 3", "10 + 20 + 30 + 40", "99 + 99", "5 + 5 + 5 + 5 + 5 + 5"]
REQUESTS = [Request(prompt, None, budget) for prompt in PROMPTS for budget in BUDGETS]
GREEDY = Sampling(engine="vllm", temperature=0.0, max_tokens=80, batch_size=16, dtype="float32")
HOT = GREEDY.model_copy(update={"temperature": 2.0, "top_p": 0.95})


class CutError(Exception):
    """Ends a run in the middle."""


def main(model: str, folder: Path) -> None:
    greedy = open_engine(GREEDY, model, window=WINDOW)
    results = {
        "requests": REQUESTS,
        "greedy": greedy.sample(REQUESTS, 0),
        "alone": [reply for request in REQUESTS[::5] for reply in greedy.sample([request], 0)],
        "tagged": open_engine(GREEDY, model, window=TAGGED).sample(REQUESTS, 0),
    }
    hot = open_engine(HOT, model, window=WINDOW)
    results |= {
        f"hot {name}": hot.sample(REQUESTS, seed) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    }
    results["refused"] = [
        refusal(greedy, Request("1 + " * 200, None)),
        refusal(greedy, Request("1 + " * 109 + "1", None, 60)),
        refusal(greedy, Request("1 + 1", None, 70)),
    ]
    table = pl.DataFrame(
        [(f"p{i}", *request, i) for i, request in enumerate(REQUESTS)],
        schema=["problem_id", *Request._fields, "sample"],
        orient="row",
    )
    sample_parts(hot, table, folder / "whole", 7, 4, lambda *_: None)

    def cut(done: int, total: int) -> None:
        if done:
            raise CutError

    try:
        sample_parts(hot, table, folder / "cut", 7, 4, cut)
    except CutError:
        results["kept"] = len(list((folder / "cut").iterdir()))
    sample_parts(hot, table, folder / "cut", 7, 4, lambda *_: None)
    (folder / "results.json").write_text(json.dumps(results))


def refusal(engine, request: Request) -> str:
    try:
        return f"not refused: {engine.sample([request], 0)}"
    except InputError as error:
        return str(error)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
