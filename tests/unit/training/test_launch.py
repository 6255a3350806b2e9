"""Trainings in several processes, which divide the model by FSDP; here on processors, by gloo."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from z1.errors import InputError, RunError
from z1.models import load_tokenizer
from z1.recipe import BaseModelSection
from z1.tiny.sums import solve
from z1.training import launch
from z1.training.job import Job
from z1.training.launch import run_job
from z1.training.rows import dpo_rows, sft_rows

TINY = BaseModelSection(path="tiny")

# Works as the processes do, but one of them is gone in the middle of the training.
DYING = """
import os
from z1.training import worker
from z1.training.trainers import _Progress

def on_step_end(self, args, state, control, **_):
    if state.global_step == 8 and os.environ["RANK"] == "1":
        print("the GPU has fallen off the bus", flush=True)
        os._exit(7)
_Progress.on_step_end = on_step_end
worker.main()
"""
# Stand-ins, for what does not depend on the training.
FAILING = """
import os, sys, time
if os.environ["RANK"] == "1":
    print("a line of the log")
    sys.exit("ValueError: no kernel for this GPU")
time.sleep(600)
"""
WAITING = """
import os, sys
from pathlib import Path
Path(sys.argv[2], os.environ["RANK"]).write_text(str(os.getpid()))
os.read(0, 1)
"""


@pytest.fixture
def job(demo):
    tokenizer = load_tokenizer(TINY)
    rng = random.Random(0)
    examples = []
    for _ in range(22):  # so that the last batch of an epoch is not a full one
        terms = [rng.randrange(10, 99) for _ in range(3)]
        text = "sum " + solve(terms, "low", rng)
        examples.append({"prompt": " + ".join(map(str, terms)), "text": text, "effort": None})
    changes = {"batch_size": 4, "device_batch_size": 2, "epochs": 2, "save_steps": 3}
    training = demo.train.tag.model_copy(update={**changes, "learning_rate": 3e-3})
    return Job("sft", TINY, tokenizer, sft_rows(tokenizer, examples, 100)[0], training, 0, False)


def change(job, **changes):
    return Job(**{**vars(job), "training": job.training.model_copy(update=changes)})


def run(job, folder, seen=None, kept=None):
    folder.mkdir(exist_ok=True)
    report = (lambda *done: seen.append(done)) if seen is not None else (lambda *_: None)
    keep = (lambda path: kept.append(path.name)) if kept is not None else (lambda _: None)
    return run_job(job, folder, report, keep, on_nodes=lambda _: pytest.fail("no nodes wanted"))


def stand_in(monkeypatch, folder, source):
    path = folder / "worker.py"
    path.write_text(source)
    monkeypatch.setattr(launch, "WORKER", (str(path),))


def test_two_processes_learn_what_one_does_though_one_of_them_died(job, tmp_path, monkeypatch):
    alone = run(job, tmp_path / "alone")
    together, folder, kept, seen = change(job, processes=2), tmp_path / "two", [], []
    with monkeypatch.context() as context:
        stand_in(context, tmp_path, DYING)
        with pytest.raises(RunError, match=r"process 1 .* code 7(.|\n)*fallen off the bus"):
            run(together, folder, kept=kept)
    assert kept == ["checkpoint-3", "checkpoint-6"]
    shared = run(together, folder, seen, kept)
    assert seen[:2] == [(6, 12), (7, 12)]
    assert seen[-1] == (12, 12)
    assert kept[2:] == ["checkpoint-9", "checkpoint-12"]
    assert shared["steps"] == alone["steps"] == 12
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "alone"))
    assert set(ours) == set(theirs)
    for name, weights in theirs.items():
        torch.testing.assert_close(ours[name], weights, atol=1e-4, rtol=1e-3)
    files = {path.name for path in (tmp_path / "alone").iterdir()}
    assert {path.name for path in folder.iterdir()} == files


def test_two_processes_prefer_what_one_does(job, demo, tmp_path):
    rng, pairs = random.Random(1), []
    for _ in range(8):
        terms = [rng.randrange(10, 99) for _ in range(2)]
        replies = {
            name: solve(terms, how, rng)
            for name, how in (("chosen", "low"), ("rejected", "medium"))
        }
        pairs.append({"prompt": " + ".join(map(str, terms)), **replies})
    changes = {"batch_size": 4, "device_batch_size": 2, "epochs": 1, "learning_rate": 1e-3}
    training = demo.train.iter_dpo.model_copy(update=changes)
    rows = dpo_rows(job.tokenizer, pairs, 100)[0]
    alone = Job("dpo", TINY, job.tokenizer, rows, training, 0, False)
    # The loss shows the reference's part in it, which the weights after so few steps hide.
    shared, single = (
        run(change(alone, processes=2), tmp_path / "two"),
        run(alone, tmp_path / "alone"),
    )
    assert shared["loss"] == pytest.approx(single["loss"], abs=1e-3)
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "alone"))
    for name, weights in theirs.items():
        torch.testing.assert_close(ours[name], weights, atol=1e-4, rtol=1e-3)


def test_a_process_that_fails_ends_all_and_its_last_lines_are_told(job, tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, FAILING)
    with pytest.raises(RunError) as raised:
        run(change(job, processes=2), tmp_path / "out")
    assert str(raised.value) == (
        "process 1 of the training ended with code 1, and so did the others; its last lines:\n"
        "a line of the log\nValueError: no kernel for this GPU"
    )


def test_a_training_that_is_told_to_end_ends_its_processes(job, tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, WAITING)
    before = signal.getsignal(signal.SIGTERM)
    folder = tmp_path / "out"

    def end():
        while not all((folder / rank).is_file() and (folder / rank).read_text() for rank in "01"):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()
    with pytest.raises(SystemExit) as raised:
        run(change(job, processes=2), folder)
    assert raised.value.code == 128 + signal.SIGTERM
    for rank in "01":
        assert not Path(f"/proc/{(folder / rank).read_text()}").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_batch_that_the_processes_cannot_share_is_an_error(job, tmp_path):
    with pytest.raises(InputError, match=r"batch_size 4 .* by 3 processes; make it 3 or 6, or set"):
        run(change(job, processes=3), tmp_path / "out")


def test_processes_without_a_gpu_each_are_an_error(job, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match="processes: 4, but this node has 2 GPUs"):
        run(change(job, processes=4), tmp_path / "out")
