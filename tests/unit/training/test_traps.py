"""What the published training code of Z1 gets wrong, and this one must not."""

from pathlib import Path

import pytest
import torch

from z1.models import load_model, load_tokenizer
from z1.recipe import BaseModelSection, load_recipe
from z1.training import trainers
from z1.training.rows import IGNORED, encode_prompt, sft_rows

TINY = BaseModelSection(path="tiny")
RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture
def batches(monkeypatch):
    """The batches that a training hands to the model."""
    seen = []
    plain = trainers._SFTTrainer.compute_loss

    def compute_loss(self, model, inputs, *args, **kwargs):
        seen.append({name: inputs[name].clone() for name in ("input_ids", "labels")})
        return plain(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(trainers._SFTTrainer, "compute_loss", compute_loss)
    return seen


def train(demo, tokenizer, texts, folder, max_length):
    changes = {"batch_size": 2, "device_batch_size": 2, "epochs": 1, "max_length": max_length}
    training = demo.train.tops.model_copy(update=changes)
    examples = [{"prompt": "1 + 2", "text": text, "effort": None} for text in texts]
    rows, too_long = sft_rows(tokenizer, examples, max_length)
    assert not too_long
    model = load_model(TINY, "float32")
    trainers.train_sft(model, tokenizer, rows, training, folder, 0, lambda *_: None)
    return rows


def test_a_reply_keeps_its_end_however_long_it_is(demo, batches, tmp_path):
    tokenizer = load_tokenizer(TINY)
    long = "1+2=3\n" * 180 + "3"
    [row, _] = train(demo, tokenizer, [long, "3"], tmp_path, 8192)
    assert len(row["input_ids"]) > 1024
    [batch] = batches
    assert batch["input_ids"][0].tolist() == row["input_ids"]
    assert batch["labels"][0, -2:].tolist() == [*tokenizer("3")["input_ids"], 1]


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_the_end_token_is_learnt_and_padding_is_not_even_if_they_are_one(
    demo, batches, tmp_path, pad_is_end
):
    tokenizer = load_tokenizer(TINY)
    if pad_is_end:  # as in load_tokenizer, for a model without a token for padding
        tokenizer.pad_token = tokenizer.eos_token
    train(demo, tokenizer, ["1+2=3\n3", "3"], tmp_path, 100)
    [batch] = batches
    prompt = len(encode_prompt(tokenizer, "1 + 2", None))
    short = batch["labels"][1]
    assert (short[:prompt] == IGNORED).all()
    assert tokenizer.decode(short[prompt : prompt + 2]) == "3<|end|>"
    assert len(short) > prompt + 2
    assert (short[prompt + 2 :] == IGNORED).all()
    assert batch["labels"][0, -1] == tokenizer.eos_token_id
    assert torch.isin(batch["labels"][0, prompt:], torch.tensor([IGNORED])).sum() == 0


def test_the_full_recipe_has_room_for_every_trajectory_and_the_steps_of_the_paper():
    recipe = load_recipe(RECIPES / "z1-qwen2.5-coder-7b.yaml")
    training, teacher = recipe.train.z1, recipe.teacher.sampling
    assert training.max_length >= teacher.max_tokens + 1024
    steps = 107_173 // training.batch_size * int(training.epochs)
    assert steps == 836
    assert round(training.warmup_share * steps) == 100
