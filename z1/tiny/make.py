"""Pre-train the tiny base model that ships in this folder: ``python -m z1.tiny.make DIR``.

The model has the Qwen3 architecture and half a million parameters, and reads bytes. Its text is
sums and their worked solutions at three lengths, plain or as a chat. Two things that a large model
knows from its reading it is taught outright, each in a form that no recipe's data repeats: that a
system message can say how long to think (by the first letter of a made-up word), and that
``answer`` on a line of its own asks for the answer at once. What it never saw: a sum in the
evaluation split of the demo recipes, nor a pass that begins with a two-number sum of that split.
"""

import argparse
import json
import math
import random
import string
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from z1.problems.splits import split_point
from z1.tiny.sums import solve

SPECIALS = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
HELD_OUT_SHARE = 0.1  # the evaluation split of the demo recipes: points below this, seed 0
MAX_TOKENS = 512  # positions the model is built for
FIRST_LETTERS = {"low": "abcdefgh", "medium": "ijklmnopq", "high": "rstuvwxyz"}
ASK = "\nanswer\n"


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token a byte and one a chat mark."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*SPECIALS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        extra_special_tokens=["<|system|>", "<|user|>", "<|assistant|>"],
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def make_model(tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """Return the untrained model."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=32,  # the least that vLLM's CPU kernels take
            max_position_embeddings=MAX_TOKENS,
            tie_word_embeddings=True,
            use_sliding_window=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def write_sum(terms: list[int]) -> str:
    """Write the terms as a problem: ``23 + 45 - 7``."""
    return str(terms[0]) + "".join(f" {'-' if t < 0 else '+'} {abs(t)}" for t in terms[1:])


def is_held_out(terms: list[int]) -> bool:
    """Tell whether a document on this sum would show an evaluation problem."""
    starts = [terms, terms[:2], terms[:-3:-1]]
    return any(split_point(write_sum(start), seed=0) < HELD_OUT_SHARE for start in starts)


def documents(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield endless (opening, what follows) pairs: only what follows is learnt."""
    while True:
        effort = rng.choice(list(FIRST_LETTERS))
        least, most = rng.choices([(0, 9), (10, 99), (0, 100)], [0.2, 0.4, 0.4])[0]
        count = rng.randint(2, 8 if most < 10 else 6)
        terms = [rng.randint(least, most) for _ in range(count)]
        if is_held_out(terms):
            continue
        text = write_sum(terms)
        if rng.random() < 0.3:
            opening = f"{text}\n"
        else:
            opening = f"{system_message(effort, rng)}<|user|>{text}<|end|><|assistant|>"
        solution = solve(terms, effort, rng)
        if rng.random() < 0.1:
            yield opening + solution[: rng.randrange(1, len(solution))] + ASK, str(sum(terms))
        else:
            yield opening, solution


def system_message(effort: str, rng: random.Random) -> str:
    """Return no system message, or one of made-up words, most of which tell the effort.

    Some tell nothing, and some are long, so that any can be borne.
    """
    if rng.random() < 0.4:
        return ""
    words = rng.randint(30, 60) if rng.random() < 0.05 else rng.randint(1, 3)
    letters = string.ascii_lowercase
    text = " ".join("".join(rng.choices(letters, k=rng.randint(2, 8))) for _ in range(words))
    first = rng.choice(FIRST_LETTERS[effort] if rng.random() < 0.75 else letters)
    return f"<|system|>{first}{text[1:]}<|end|>"


def batches(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, tokens: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (input ids, labels) of about ``tokens`` tokens, documents of like length together.

    The digits of a sum are chance, so the loss leaves the opening out.
    """
    source = documents(rng)
    while True:
        rows = []
        for _ in range(4096):
            opening, solution = next(source)
            start = tokenizer(opening)["input_ids"]
            rest = [*tokenizer(solution)["input_ids"], tokenizer.eos_token_id]
            rows.append((start + rest, [-100] * len(start) + rest))
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[int]]]] = [[]]
        for row in rows:
            if len(row[0]) * (len(groups[-1]) + 1) > tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in groups:
            width = max(len(ids) for ids, _ in group)
            ids = [i + [tokenizer.pad_token_id] * (width - len(i)) for i, _ in group]
            labels = [lab + [-100] * (width - len(lab)) for _, lab in group]
            yield torch.tensor(ids), torch.tensor(labels)


def train(folder: Path, steps: int, seed: int, learning_rate: float, tokens: int) -> None:
    """Train from nothing and write the model folder, with ``pretraining.json`` beside it."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
    warm_up = 100

    def scale(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, scale)
    source = batches(tokenizer, random.Random(seed), tokens)
    started, recent = time.monotonic(), []
    for step in range(1, steps + 1):
        ids, labels = next(source)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        recent.append(loss.item())
        if step % 100 == 0 or step == steps:
            minutes = (time.monotonic() - started) / 60
            mean = sum(recent) / len(recent)
            print(f"step {step} of {steps}, loss {mean:.4f}, {minutes:.1f} min", flush=True)
            recent = []
        if step % 1000 == 0 or step == steps:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    record = {
        "parameters": model.num_parameters(),
        "steps": steps,
        "tokens_per_step": tokens,
        "learning_rate": learning_rate,
        "seed": seed,
        "final_loss": round(mean, 4),
        "minutes": round(minutes, 1),
        "threads": torch.get_num_threads(),
    }
    (folder / "pretraining.json").write_text(json.dumps(record, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the model folder is written")
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--tokens", type=int, default=6144, help="tokens a step")
    args = parser.parse_args()
    train(args.folder, args.steps, args.seed, args.learning_rate, args.tokens)


if __name__ == "__main__":
    main()
