"""How many tokens a second does training learn, against TRL's own trainer?

The demo's seed set is made, and the tiny model fine-tuned on part of it with the demo's settings:
by ``z1.training``, whose batches are sorted by length; by TRL's trainer on the same settings, whose
batches are not; and by TRL's trainer on its defaults, which also recompute activations to save
memory. The optimiser sees as many rows a step in all three. They are measured in turn, so that
other load on the machine meets all, from the first step to the last:

    python benchmarks/train.py --json train.json

TRL's default of bfloat16 is left out on a processor, where it is many times slower.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
import trl
from datasets import Dataset
from transformers import TrainerCallback

from z1.models import load_model, load_tokenizer
from z1.recipe import Recipe, load_recipe
from z1.records import EXAMPLE, scan
from z1.stages import run_stage
from z1.training.order import SortedBatches
from z1.training.rows import IGNORED, sft_rows
from z1.training.trainers import train_sft

ROOT = Path(__file__).parent.parent
Rows = list[dict[str, list[int]]]


def make_rows(recipe: Recipe, count: int, folder: Path) -> Rows:
    """Make the seed set as the pipeline does, and return rows of it, drawn by chance."""
    problems, replies, verdicts, seed = (
        folder / name for name in ("problems", "replies", "verdicts", "seed")
    )
    run_stage("problems", recipe, "problems", {}, problems)
    asked = {"split": "seed", "efforts": "all"}
    run_stage("generate", recipe, "teacher", {"problems": problems}, replies, asked)
    answered = {"replies": replies, "problems": problems}
    run_stage("verify", recipe, "verify", answered, verdicts)
    chosen = {"replies": verdicts, "problems": problems}
    run_stage("select", recipe, "select", chosen, seed, {"rule": "seed"})
    examples = scan(seed, EXAMPLE).collect().sample(count, seed=0, shuffle=True)
    tokenizer = load_tokenizer(recipe.model, recipe.efforts)
    return sft_rows(tokenizer, examples.iter_rows(named=True), recipe.train.tag.max_length)[0]


class _Clock(TrainerCallback):  # type: ignore[misc]
    """Notes when training begins and each step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.perf_counter())


def train_with_z1(recipe: Recipe, rows: Rows, folder: Path) -> list[float]:
    """Train as the stage does; return when it began and when each step ended."""
    times: list[float] = []
    tokenizer = load_tokenizer(recipe.model, recipe.efforts)
    model = load_model(recipe.model, "float32")
    training = recipe.train.tag.model_copy(update={"epochs": 1})
    train_sft(
        model, tokenizer, rows, training, folder, 0, lambda *_: times.append(time.perf_counter())
    )
    return times


def train_with_trl(recipe: Recipe, rows: Rows, folder: Path, **changes: Any) -> list[float]:
    """Train with TRL's trainer and its defaults, but for the optimisation itself."""
    training = recipe.train.tag
    clock = _Clock()
    batch = trl.SFTConfig.per_device_train_batch_size
    trainer = trl.SFTTrainer(
        model=load_model(recipe.model, "float32"),
        args=trl.SFTConfig(
            **{
                "output_dir": str(folder),
                "per_device_train_batch_size": batch,
                "gradient_accumulation_steps": training.batch_size // batch,
                "learning_rate": training.learning_rate,
                "num_train_epochs": 1,
                "bf16": torch.cuda.is_available(),
                "use_cpu": not torch.cuda.is_available(),
                "report_to": [],
                "disable_tqdm": True,
            }
            | changes
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_tokenizer(recipe.model, recipe.efforts),
        callbacks=[clock],
    )
    trainer.train()
    return clock.times


def padding(lengths: list[int], order: list[int], side_by_side: int) -> float:
    """Return the share of what is computed that is padding."""
    chunks = [order[at : at + side_by_side] for at in range(0, len(order), side_by_side)]
    computed = sum(len(chunk) * max(lengths[row] for row in chunk) for chunk in chunks)
    return 1 - sum(lengths) / computed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=640, help="of the seed set, trained on once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the ratios here")
    args = parser.parse_args()
    recipe = load_recipe(ROOT / "recipes" / "demo.yaml")
    same = {
        "per_device_train_batch_size": recipe.train.tag.device_batch_size,
        "gradient_accumulation_steps": recipe.train.tag.batch_size
        // recipe.train.tag.device_batch_size,
        "gradient_checkpointing": recipe.train.tag.gradient_checkpointing,
    }
    ways: dict[str, Callable[[Recipe, Rows, Path], list[float]]] = {
        "z1": train_with_z1,
        "TRL, same settings": lambda *given: train_with_trl(*given, **same),
        "TRL, its defaults": train_with_trl,
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        rows = make_rows(recipe, args.rows, Path(name))
        lengths = [len(row["input_ids"]) for row in rows]
        learnt = sum(label != IGNORED for row in rows for label in row["labels"])
        for number in range(args.rounds + 1):
            for way in list(ways)[:: 1 if number % 2 else -1]:
                times = ways[way](recipe, rows, Path(name) / f"{way} {number}")
                if number:  # the first round warms up
                    rates[way].append(learnt / (times[-1] - times[0]))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
    print(
        f"\ntrl {trl.__version__}, torch {torch.__version__}, {device}, "
        f"{torch.get_num_threads()} threads; {len(rows)} rows of {min(lengths)} to {max(lengths)} "
        f"tokens, {learnt} learnt\n"
    )
    tag = recipe.train.tag
    sorted_, unsorted = (
        padding(lengths, list(SortedBatches(keys, tag.batch_size, 0)), tag.device_batch_size)
        for keys in (lengths, [1] * len(lengths))
    )
    print(f"padding: {sorted_:.1%} of what is computed if sorted, {unsorted:.1%} if not\n")
    print("| way | learnt tokens/s | z1 over it | spread |\n|---|--:|--:|--:|")
    ratios = {}
    for way, found in rates.items():
        over = [ours / theirs for ours, theirs in zip(rates["z1"], found, strict=True)]
        rate, ratio = statistics.median(found), statistics.median(over)
        if way == "z1":
            print(f"| {way} | {rate:.0f} | | |")
            continue
        ratios["z1-over-" + way.lower().replace(",", "").replace(" ", "-")] = ratio
        print(f"| {way} | {rate:.0f} | {ratio:.2f} | {min(over):.2f}-{max(over):.2f} |")
    if args.json:
        args.json.write_text(json.dumps({"ratios": ratios}, indent=1) + "\n")


if __name__ == "__main__":
    main()
