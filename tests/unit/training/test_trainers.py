import random

import pytest
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from z1.efforts import expects_effort
from z1.models import load_model, load_tokenizer
from z1.recipe import BaseModelSection, Lora
from z1.tiny.sums import solve
from z1.training import trainers
from z1.training.order import SortedBatches, row_length
from z1.training.rows import IGNORED, dpo_rows, sft_rows
from z1.training.trainers import CHECKPOINTS, save_model, train_dpo, train_sft

TINY = BaseModelSection(path="tiny")
EACH_STEP = {"logging_steps": 1, "num_train_epochs": 1, "packing": False}


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(TINY)


@pytest.fixture(scope="module")
def rows(tokenizer):
    rng = random.Random(0)
    examples = []
    for _ in range(24):
        terms = [rng.randrange(10, 99) for _ in range(3)]
        prompt = " + ".join(map(str, terms))
        # A way to answer that the tiny model was never shown, so that there is much to learn.
        examples.append(
            {"prompt": prompt, "text": "sum " + solve(terms, "low", rng), "effort": None}
        )
    return sft_rows(tokenizer, examples, 100)[0]


@pytest.fixture(scope="module")
def training(demo):
    changes = {"batch_size": 4, "device_batch_size": 2, "epochs": 2, "save_steps": 3}
    changes["learning_rate"] = 3e-3
    return demo.train.tag.model_copy(update=changes)


def loss(model, rows):
    losses = [
        model(input_ids=torch.tensor([r["input_ids"]]), labels=torch.tensor([r["labels"]])).loss
        for r in rows
    ]
    return sum(each.item() for each in losses) / len(rows)


def train(tokenizer, rows, training, folder, report=lambda *_: None):
    return train_sft(load_model(TINY, "float32"), tokenizer, rows, training, folder, 0, report)


def test_sft_learns_the_replies(tokenizer, rows, training, tmp_path):
    before = loss(load_model(TINY, "float32"), rows)
    seen = []
    trained = train(tokenizer, rows, training, tmp_path, lambda *done: seen.append(done))
    assert trained["steps"] == 12  # 24 rows, 4 in a step, 2 epochs
    assert seen[-1] == (12, 12)
    assert loss(trained["model"].eval(), rows) < 0.5 * before


def test_training_goes_on_where_it_was_cut_off(tokenizer, rows, training, tmp_path):
    whole = train(tokenizer, rows, training, tmp_path / "whole")["model"]

    def kill_at_8(step, _):
        if step == 8:
            raise KilledError

    with pytest.raises(KilledError):
        train(tokenizer, rows, training, tmp_path / "cut", kill_at_8)
    (tmp_path / "cut" / CHECKPOINTS / "checkpoint-8").mkdir()  # half of one, as a kill leaves it
    seen = []
    resumed = train(tokenizer, rows, training, tmp_path / "cut", lambda step, _: seen.append(step))[
        "model"
    ]
    assert seen[:2] == [6, 7]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_less_padding_changes_nothing_that_is_learned(tokenizer, rows, training, tmp_path):
    padded, sorted_ = (
        train(
            tokenizer,
            rows,
            training.model_copy(update={"device_batch_size": size}),
            tmp_path / f"{size}",
        )
        for size in (4, 1)
    )
    assert padded["loss"] == pytest.approx(sorted_["loss"], abs=1e-4)
    for one, other in zip(padded["model"].parameters(), sorted_["model"].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_sorted_batches_have_the_losses_of_trls_own_trainer_on_the_same_batches(
    tokenizer, training, tmp_path, monkeypatch
):
    rng = random.Random(1)
    examples = [
        {"prompt": " + ".join(map(str, terms)), "text": solve(terms, "high", rng), "effort": None}
        for terms in ([rng.randrange(10, 99) for _ in range(2 + n % 5)] for n in range(12))
    ]
    uneven = sft_rows(tokenizer, examples, 400)[0]
    assert max(map(row_length, uneven)) > 3 * min(map(row_length, uneven))
    found = {}
    for trainer, order in ((trainers._SFTTrainer, "sorted"), (SFTTrainer, "by chance")):
        seen = []

        def log(self, logs, *_, **__):
            seen.append(logs.get("loss"))  # noqa: B023

        made = trainer(
            model=load_model(TINY, "float32"),
            args=SFTConfig(**{**trainers._arguments(training, tmp_path / order, 0), **EACH_STEP}),
            train_dataset=Dataset.from_list(uneven),
            processing_class=tokenizer,
        )
        if order == "by chance":
            drawn = list(SortedBatches([1] * len(uneven), training.batch_size, 0))
            assert drawn != list(trainers._sort(made.train_dataset, made.args))
            made._get_train_sampler = lambda *_: drawn  # noqa: B023
        monkeypatch.setattr(made, "log", log.__get__(made))
        made.train()
        found[order] = seen[:-1], made.model
    assert len(found["sorted"][0]) == 3
    assert found["sorted"][0] == pytest.approx(found["by chance"][0], rel=1e-4)
    pairs = zip(*(model.parameters() for _, model in found.values()), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_the_finished_model_is_an_ordinary_folder(tokenizer, rows, training, tmp_path):
    trained = train(tokenizer, rows, training, tmp_path)
    save_model(trained["model"], tokenizer, tmp_path, efforts=True)
    assert not (tmp_path / CHECKPOINTS).exists()
    assert (tmp_path / "model.safetensors").is_file()
    assert not list(tmp_path.glob("*.bin"))
    assert expects_effort(str(tmp_path))
    again = load_model(str(tmp_path), "float32")
    for one, other in zip(trained["model"].parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert load_tokenizer(str(tmp_path)).chat_template == tokenizer.chat_template


def test_lora_is_merged_into_the_model(tokenizer, rows, training, tmp_path):
    lora = training.model_copy(update={"lora": Lora(rank=4)})
    trained = train(tokenizer, rows, lora, tmp_path)
    before = loss(load_model(TINY, "float32"), rows)
    save_model(trained["model"], tokenizer, tmp_path, efforts=False)
    assert not (tmp_path / "adapter_model.safetensors").exists()
    assert loss(load_model(str(tmp_path), "float32").eval(), rows) < before


@pytest.mark.parametrize(("chosen", "sft_weight"), [("low", 0.0), ("medium", 0.1)])
def test_dpo_prefers_the_chosen_reply(tokenizer, demo, tmp_path, chosen, sft_weight):
    # Once each way round, so that it learns the pairs whatever the model prefers to begin with.
    rng = random.Random(1)
    rejected = {"low": "medium", "medium": "low"}[chosen]
    pairs = []
    for _ in range(16):
        terms = [rng.randrange(10, 99) for _ in range(2)]
        pairs.append(
            {
                "prompt": " + ".join(map(str, terms)),
                "chosen": solve(terms, chosen, rng),
                "rejected": solve(terms, rejected, rng),
            }
        )
    rows, _ = dpo_rows(tokenizer, pairs, 100)
    changes = {"batch_size": 8, "epochs": 4, "learning_rate": 1e-3, "sft_weight": sft_weight}
    training = demo.train.iter_dpo.model_copy(update=changes)

    def margin(model):
        total = 0.0
        for row in rows:
            for sign, name in ((1, "chosen_ids"), (-1, "rejected_ids")):
                ids = row["prompt_ids"] + row[name]
                labels = [IGNORED] * len(row["prompt_ids"]) + row[name]
                mean = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
                total -= sign * mean.item() * len(row[name])
        return total / len(rows)

    before = margin(load_model(TINY, "float32"))
    report = []
    trained = train_dpo(
        load_model(TINY, "float32"),
        tokenizer,
        rows,
        training,
        tmp_path,
        0,
        lambda *done: report.append(done),
    )
    assert report[-1] == (8, 8)
    assert margin(trained["model"].eval()) > before + 2
