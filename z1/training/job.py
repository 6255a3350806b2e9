"""A training as a folder: all that its processes need to know, on this node or on others."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from z1.models import as_base, load_model, load_tokenizer
from z1.recipe import BaseModelSection, DpoTraining, SftTraining, Training

Report = Callable[[int, int], None]
"""Told how many optimiser steps of how many are done."""
Keep = Callable[[Path], None]
"""Told of each checkpoint that is whole."""
_MODEL = "model"
_SECTIONS: dict[str, type[Training]] = {"sft": SftTraining, "dpo": DpoTraining}


@dataclass(frozen=True)
class Job:
    """A training, ready to be started."""

    method: str
    """``sft`` or ``dpo``."""
    start: BaseModelSection
    """The model to start from."""
    tokenizer: Any
    rows: list[dict[str, list[int]]]
    """Token ids, as ``z1.training.rows`` makes them."""
    training: Training
    seed: int
    efforts: bool
    """Whether the trained model is one that is told how much to think."""

    def load(self, place: bool = True) -> Any:
        """Load the model to start from; see ``load_model``."""
        # Adapters go beside frozen weights; trained weights stay float32 and only compute is lower.
        return load_model(
            self.start, self.training.dtype if self.training.lora else "float32", place
        )


def write_job(job: Job, folder: Path, carry: bool = False) -> None:
    """Write a job to a folder; with ``carry`` a model that is a folder here goes with it."""
    start = as_base(job.start)
    if carry and Path(start.path).is_dir():
        (folder / _MODEL).mkdir(parents=True)
        for path in Path(start.path).iterdir():
            if path.is_file():
                (folder / _MODEL / path.name).symlink_to(path.resolve())
        start = BaseModelSection(path=_MODEL)
    job.tokenizer.save_pretrained(folder)
    pl.DataFrame(job.rows).write_parquet(folder / "rows.parquet")
    plain = {
        "method": job.method,
        "start": start.model_dump(mode="json", include={"path", "revision"}),
        "training": job.training.model_dump(mode="json"),
        "seed": job.seed,
        "efforts": job.efforts,
    }
    (folder / "job.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")


def read_job(folder: Path) -> Job:
    """Return the job that a folder holds."""
    plain = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    start = BaseModelSection(**plain["start"])
    if start.path == _MODEL:
        start = start.model_copy(update={"path": str(folder / _MODEL)})
    return Job(
        plain["method"],
        start,
        load_tokenizer(str(folder)),
        pl.read_parquet(folder / "rows.parquet").to_dicts(),
        _SECTIONS[plain["method"]].model_validate(plain["training"]),
        plain["seed"],
        plain["efforts"],
    )
