"""SFT and DPO with TRL: checkpoints, going on after a kill, and the finished model folder."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from z1.efforts import write_card
from z1.models import pick_dtype
from z1.recipe import DpoTraining, Lora, Training
from z1.training.order import SortedBatches, row_length

Report = Callable[[int, int], None]
Keep = Callable[[Path], None]
CHECKPOINTS = "checkpoints"
_WHOLE = "whole"  # file in a checkpoint that was written to its end


def train_sft(
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, list[int]]],
    training: Training,
    folder: Path,
    seed: int,
    report: Report,
    keep: Keep = lambda checkpoint: None,
) -> dict[str, Any]:
    """Fine-tune on rows of ``input_ids`` and ``labels``; return ``steps`` and ``loss``.

    Checkpoints go to ``folder/checkpoints``; the last one there is gone on from. ``keep`` is told
    of each that is written.
    """
    trainer = _SFTTrainer(
        model=model,
        args=SFTConfig(**_arguments(training, folder, seed), packing=False),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=_lora(training.lora),
        callbacks=[_Progress(report, keep)],
    )
    return _train(trainer, folder)


def train_dpo(
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, list[int]]],
    training: DpoTraining,
    folder: Path,
    seed: int,
    report: Report,
    keep: Keep = lambda checkpoint: None,
) -> dict[str, Any]:
    """Train on rows of ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``; see ``train_sft``.

    The reference is the starting model; its log-probabilities are computed once, so that only
    one model is held while training.
    """
    loss_type, weights = ["sigmoid"], [1.0]
    if training.sft_weight:
        loss_type, weights = ["sigmoid", "sft"], [1.0, training.sft_weight]
    trainer = _DPOTrainer(
        model=model,
        args=DPOConfig(
            **_arguments(training, folder, seed),
            beta=training.beta,
            loss_type=loss_type,
            loss_weights=weights,
            precompute_ref_log_probs=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=_lora(training.lora),
        callbacks=[_Progress(report, keep)],
    )
    return _train(trainer, folder)


def save_model(model: Any, tokenizer: Any, folder: Path, efforts: bool) -> None:
    """Write the finished model (safetensors), its tokenizer and its card; drop checkpoints."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_card(folder, efforts)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


class _SFTTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, with its batches sorted."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SortedBatches:
        return _sort(self.train_dataset, self.args)


class _DPOTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's trainer on rows that are token ids already, as its SFT trainer takes them too."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SortedBatches:
        return _sort(self.train_dataset, self.args)

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset


def _sort(rows: Dataset, args: Any) -> SortedBatches:
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    return SortedBatches([row_length(row) for row in rows], batch, args.data_seed)


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Reports each step, and marks each checkpoint as whole: a kill can leave half of one."""

    def __init__(self, report: Report, keep: Keep) -> None:
        self.report, self.keep = report, keep

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (checkpoint / _WHOLE).touch()
        self.keep(checkpoint)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report(state.global_step, state.max_steps)


def _arguments(training: Training, folder: Path, seed: int) -> dict[str, Any]:
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    side_by_side = min(training.device_batch_size * devices, training.batch_size)
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "per_device_train_batch_size": max(side_by_side // devices, 1),
        "gradient_accumulation_steps": max(training.batch_size // side_by_side, 1),
        "learning_rate": training.learning_rate,
        "num_train_epochs": training.epochs,
        "max_length": training.max_length,
        "lr_scheduler_type": training.schedule,
        "warmup_steps": training.warmup_share,
        "weight_decay": training.weight_decay,
        "bf16": pick_dtype(training.dtype) is torch.bfloat16,
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": training.gradient_checkpointing,
        "save_steps": training.save_steps,
        "save_total_limit": 2,
        "seed": seed,
        "data_seed": seed,
        "logging_steps": 10,
        "report_to": [],
        "disable_tqdm": True,
    }


def _lora(lora: Lora | None) -> Any:
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _train(trainer: Any, folder: Path) -> dict[str, Any]:
    checkpoints = folder / CHECKPOINTS
    for checkpoint in checkpoints.glob("checkpoint-*"):
        if not (checkpoint / _WHOLE).is_file():
            shutil.rmtree(checkpoint)
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if last:
        print(f"going on from {Path(last).name}", flush=True)
    result = trainer.train(resume_from_checkpoint=last)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "steps": result.global_step,
        "loss": round(losses[-1] if losses else result.training_loss, 4),
        "model": trainer.accelerator.unwrap_model(trainer.model),
    }
