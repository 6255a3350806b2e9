"""SFT and DPO with TRL: checkpoints, going on after a kill, and the finished model folder."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import DistributedType, PartialState
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from datasets import Dataset, concatenate_datasets
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.trainer import dpo_trainer

from z1.efforts import write_card
from z1.models import pick_dtype
from z1.recipe import DpoTraining, Lora, Training
from z1.training.job import Job, Keep, Report
from z1.training.order import SortedBatches, row_length
from z1.training.rows import IGNORED

CHECKPOINTS = "checkpoints"
_WHOLE = "whole"  # file in a checkpoint that was written to its end
_FSDP = {
    "version": 2,
    "reshard_after_forward": True,  # weights, gradients and optimiser state are all sharded
    "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "cpu_ram_efficient_loading": True,  # read by one process of all, sent to the others in shards
    # One process writes whole checkpoints, so that any number of processes can go on from them.
    "state_dict_type": "FULL_STATE_DICT",
}


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
        args=_divided(SFTConfig(**_arguments(training, folder, seed), packing=False)),
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
        args=_divided(
            DPOConfig(
                **_arguments(training, folder, seed),
                beta=training.beta,
                loss_type=loss_type,
                loss_weights=weights,
                # With adapters the reference is the model without them; divided, it is there only
                # while it is trained.
                precompute_ref_log_probs=not (training.lora and _processes() > 1),
            )
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=_lora(training.lora),
        callbacks=[_Progress(report, keep)],
    )
    return _train(trainer, folder)


def train(
    job: Job, model: Any, folder: Path, report: Report, keep: Keep = lambda checkpoint: None
) -> dict[str, Any]:
    """Train a job's model as its method says; see ``train_sft``."""
    method = {"sft": train_sft, "dpo": train_dpo}[job.method]
    training: Any = job.training
    return method(model, job.tokenizer, job.rows, training, folder, job.seed, report, keep)


def fill_model(job: Job, weights: dict[str, Any]) -> Any:
    """Return the job's model, adapters and all, with weights that were gathered."""
    model = job.load(place=False)
    if job.training.lora:
        from peft import get_peft_model

        model = get_peft_model(model, _lora(job.training.lora))
    model.load_state_dict(weights)
    return model


def save_model(model: Any, tokenizer: Any, folder: Path, efforts: bool) -> None:
    """Write the finished model (safetensors), its tokenizer and its card; drop checkpoints."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_card(folder, efforts)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _divide_reference(model: Any, accelerator: Any) -> Any:
    """Divide the reference model of DPO as accelerate divides the model that is trained.

    TRL's own way leaves all weights unset that the first process alone has read.
    """
    return fsdp2_prepare_model(accelerator, model).eval()


dpo_trainer.prepare_fsdp = _divide_reference


class _SFTTrainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, with its batches sorted and what is left of an epoch filled with nothing."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if self.args.world_size > 1:
            rows: Dataset = self.train_dataset
            shortest = min(rows, key=row_length)
            nothing = {**shortest, "labels": [IGNORED] * len(shortest["labels"])}
            filler = Dataset.from_list([nothing], rows.features)
            self.train_dataset: Dataset = concatenate_datasets([rows, filler])

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SortedBatches:
        return _sort(self.train_dataset, self.args, fill=self.args.world_size > 1)


class _DPOTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's trainer on rows that are token ids already, as its SFT trainer takes them too."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SortedBatches:
        return _sort(self.train_dataset, self.args)

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """TRL's own passes the values on in a file, which other nodes do not see."""
        model = self.ref_model or self.model
        loader = DataLoader(dataset, batch_size, collate_fn=self.data_collator)
        found = [
            self.accelerator.gather_for_metrics(self.compute_ref_log_probs(model, batch))
            for batch in self.accelerator.prepare(loader)
        ]
        chosen, rejected = (torch.cat(parts).tolist() for parts in zip(*found, strict=True))
        dataset = dataset.add_column("ref_chosen_logps", chosen)
        return dataset.add_column("ref_rejected_logps", rejected)


def _sort(rows: Dataset, args: Any, fill: bool = False) -> SortedBatches:
    side_by_side = args.train_batch_size * args.world_size
    batch = side_by_side * args.gradient_accumulation_steps
    lengths = [row_length(row) for row in rows]
    if fill:
        return SortedBatches(lengths[:-1], batch, args.data_seed, side_by_side)
    return SortedBatches(lengths, batch, args.data_seed)


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Reports each step, and marks each checkpoint as whole: a kill can leave half of one."""

    def __init__(self, report: Report, keep: Keep) -> None:
        self.report, self.keep = report, keep

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if dist.is_initialized():
            dist.barrier()  # until all have written what is theirs
        if not state.is_world_process_zero:
            return
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (checkpoint / _WHOLE).touch()
        self.keep(checkpoint)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.report(state.global_step, state.max_steps)


def _arguments(training: Training, folder: Path, seed: int) -> dict[str, Any]:
    share = training.share_of(_processes())
    side_by_side = max(
        size for size in range(1, min(training.device_batch_size, share) + 1) if share % size == 0
    )
    sharded = {"fsdp": True, "fsdp_config": _FSDP} if _processes() > 1 else {}
    return sharded | {
        "output_dir": str(folder / CHECKPOINTS),
        "per_device_train_batch_size": side_by_side,
        "gradient_accumulation_steps": share // side_by_side,
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


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _divided(args: Any) -> Any:
    """Return the arguments, with the model divided among processors too if it is to be divided.

    accelerate divides it among accelerators alone, though PyTorch does it anywhere.
    """
    if args.fsdp and args.use_cpu:
        PartialState().distributed_type = DistributedType.MULTI_GPU
    return args


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
    last = _last_whole(folder / CHECKPOINTS)
    if last:
        print(f"going on from {last.name}", flush=True)
    result = trainer.train(resume_from_checkpoint=str(last) if last else None)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "steps": result.global_step,
        "loss": round(losses[-1] if losses else result.training_loss, 4),
        "model": trainer.accelerator.unwrap_model(trainer.model),
    }


def _last_whole(checkpoints: Path) -> Path | None:
    """Return the last checkpoint that was written to its end, and remove the others."""
    shared = dist.is_initialized()
    if not shared or int(os.environ["LOCAL_RANK"]) == 0:
        for checkpoint in checkpoints.glob("checkpoint-*"):
            if not (checkpoint / _WHOLE).is_file():
                shutil.rmtree(checkpoint)
    if shared:
        dist.barrier()
    found = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    if shared:  # nodes have disks of their own; to go on would mix two states of the model
        names: list[str | None] = [None] * dist.get_world_size()
        dist.all_gather_object(names, Path(found).name if found else None)
        if len(set(names)) > 1:
            raise RuntimeError(f"the processes have different last checkpoints: {names}")
    return Path(found) if found else None
