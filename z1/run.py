"""``z1 run``: a whole pipeline on this machine, as bars on the screen and files in a folder.

The pipeline is the one that a cluster runs, run by ``kfp.local``: a process for each step, one
after another. What those processes print comes through this process's standard output, where
it is caught: progress becomes bars, everything else goes to the run's log.
"""

import fcntl
import io
import json
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from z1 import progress
from z1.environment import environment
from z1.errors import InputError, RunError
from z1.recipe import load_recipe, write_recipe
from z1.records import write_bytes
from z1.stages import RECORD, WAITING, read_record
from z1.stages.component import ERROR

_PROGRESS = "z1_progress"  # key of the lines by which a step says how far it is
_LAST_LINES = 12  # of a traceback on the screen; the log has all
_PLAIN_SECONDS = 30.0  # between two lines about one step, where there are no bars
_SCRATCH = "z1-run-"  # how the names of folders for what steps leave behind begin
_INDENT = "    "  # kfp puts this before each line that a step prints
_COLOUR = re.compile(r"\x1b\[\d*m")
_STARTED = re.compile(r"Executing task '([^']+)'")


class _Console(Console):
    """Standard output. When nobody reads it any more the run ends quietly, as other tools do."""

    def on_broken_pipe(self) -> None:
        # Not sys.stdout, for which another file may stand in.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
        sys.exit(1)


def run_recipe(path: Path, output: Path) -> None:
    """Run the pipeline of a recipe's method in the folder ``output/NAME`` and print its results.

    What is there already of an unchanged recipe is not made again. Raises InputError if the
    recipe or its data are wrong or another process runs in that folder, RunError if a step fails.
    """
    from z1_pipelines.choosing import find_pipeline_here

    recipe = load_recipe(path)
    folder = (output / recipe.name).resolve()
    console = _Console(file=sys.stdout)  # the real one, whatever stands in for it later
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: leave all in order
    with _only_run(folder), (folder / "run.log").open("a", encoding="utf-8", buffering=1) as log:
        log.write(f"\n===== {time.strftime('%Y-%m-%d %H:%M:%S')} z1 run {path}\n")
        run_pipeline(find_pipeline_here(recipe), recipe.model_dump_json(), folder, log, console)
        # Now and not before, so that beside an older report stands its own recipe.
        write_bytes(folder / "recipe.yaml", write_recipe(recipe).encode())
        from z1.evaluation.report import copy_reports, print_table

        copy_reports(folder / "evaluate", folder)
    print_table(json.loads((folder / "report.json").read_text(encoding="utf-8")))
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True, highlight=False)
    published = json.loads((folder / "publish" / "versions.json").read_bytes())["versions"]
    if published:
        *_, model = published.values()  # after its ancestors
        console.print(f"Published: {model['version']}", soft_wrap=True, highlight=False)


def run_pipeline(pipeline: Any, recipe: str, folder: Path, log: TextIO, console: Console) -> None:
    """Run a kfp pipeline with the parameters ``recipe`` and ``workspace`` on this machine.

    Each step's output goes to ``folder/STEP``, everything printed to ``log``. Raises InputError
    or RunError with the cause if a step fails.
    """
    from kfp import local

    with (
        _scratch(folder) as scratch,
        environment(
            {
                "Z1_PROGRESS": progress.LINES,
                "PYTHONUNBUFFERED": "1",
                "PYTHONSAFEPATH": "1",  # a file in this folder must not stand in for a library
                "TMPDIR": scratch,  # kfp leaves a folder there for each step
            }
        ),
        _shell_safe_python(),
        warnings.catch_warnings(),
        _Screen(folder, _steps(pipeline), log, console) as screen,
        redirect_stdout(screen),
    ):
        warnings.simplefilter("ignore")  # kfp's, on images and display names
        local.init(
            runner=local.SubprocessRunner(use_venv=False),
            pipeline_root=f"{scratch}/root",
            workspace_root=f"{scratch}/workspace",
        )
        try:
            pipeline(recipe=recipe, workspace=str(folder))
        except RuntimeError as error:
            raise screen.failure(error) from error
        screen.finish()


def _steps(pipeline: Any) -> dict[str, str]:
    """Return the step of each of a pipeline's tasks, by the name that kfp.local gives the task."""
    spec = pipeline.pipeline_spec
    found: dict[str, str] = {}

    def add(dag: Any) -> None:
        for task in dag.tasks.values():
            name = task.component_ref.name
            if spec.components[name].HasField("dag"):  # what is done on a condition
                add(spec.components[name].dag)
            else:
                step = task.inputs.parameters["step"].runtime_value.constant.string_value
                found[name.removeprefix("comp-")] = step

    add(spec.root.dag)
    return found


class _Screen(io.TextIOBase):
    """Standard output of a pipeline run: takes what is printed and shows how far the run is."""

    def __init__(
        self, folder: Path, steps: Mapping[str, str], log: TextIO, console: Console
    ) -> None:
        self._folder, self._steps, self._log, self._console = folder, steps, log, console
        self._before = {step: _changed(folder / step) for step in steps.values()}
        self._width = max(map(len, steps.values()))
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=4,
            disable=not console.is_terminal,
        )
        self._unfinished = ""
        self._step = self._label = ""
        self._bar = TaskID(0)
        self._started = 0
        self._told = 0.0
        self._error: str | None = None
        self._printed: list[str] = []

    def __enter__(self) -> "_Screen":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            self._take(_COLOUR.sub("", line))
        return len(text)

    def _take(self, line: str) -> None:
        step_says = line.startswith(_INDENT)
        line = line.removeprefix(_INDENT)
        message = _message(line)
        if _PROGRESS in message:
            self._show(message["done"], message["total"])
        elif ERROR in message:
            self._error = message[ERROR]
            self._log.write(f"error: {self._error}\n")
        else:
            self._log.write(f"{line}\n")
            if step_says:
                self._printed.append(line)
                if line.startswith(WAITING):
                    self._bars.update(self._bar, note=line)
                    self._say(line)
            elif (started := _STARTED.search(line)) and started[1] in self._steps:
                self.finish()
                self._start(self._steps[started[1]])

    def _start(self, step: str) -> None:
        self._step = step
        self._printed.clear()
        self._told = time.monotonic()
        count = str(len(self._steps))
        self._started += 1
        self._label = f"{self._started:>{len(count)}}/{count} {step.ljust(self._width)}"
        self._bar = self._bars.add_task(self._label, total=None, note="")

    def _show(self, done: int, total: int) -> None:
        if not total:
            return
        self._bars.update(self._bar, completed=done, total=total, note=f"{done}/{total}")
        if done < total and time.monotonic() - self._told > _PLAIN_SECONDS:
            self._told = time.monotonic()
            self._say(f"{done}/{total}")

    def _say(self, note: str) -> None:
        """Print a line about the step under way, where there are no bars."""
        if self._bars.disable:
            self._console.print(f"{self._label}  {note}", highlight=False)

    def finish(self) -> None:
        """Show what came of the step that is under way, if there is one."""
        if not self._step:
            return
        if _changed(self._folder / self._step) == self._before[self._step]:
            note, time_taken = "skipped: done before", ""
        else:
            record = read_record(self._folder / self._step)
            time_taken = f", {record['seconds']:.0f} s"
            if not (note := record["details"].get("text")):
                note = f"kept {record['kept']} {record['unit']}"
                note += f", dropped {record['dropped']}" if record["dropped"] else ""
        self._bars.update(self._bar, completed=1, total=1, note=note)
        self._say(note + time_taken)
        self._step = ""

    def failure(self, error: RuntimeError) -> Exception:
        """Return what to raise after kfp ended with an error."""
        if self._step:
            self._bars.update(self._bar, note="[red]failed")
            self._bars.stop_task(self._bar)
        if self._error is not None:
            return InputError(f"{self._error}\n(in step {self._step}; log: {self._log.name})")
        cause = _cause(self._printed, error)
        return RunError(f"step {self._step} failed:\n{cause}\n(log: {self._log.name})")


def _message(line: str) -> dict[str, Any]:
    """Return what a step says to ``z1 run`` in a line, or nothing if it is for people."""
    if not line.startswith('{"z1_'):
        return {}
    try:
        message: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return message


def _cause(printed: list[str], error: RuntimeError) -> str:
    """Return the end of what a failed step printed, from its last traceback on if it has one."""
    lines = [line for line in printed if line.strip(" ^~") and "<frozen " not in line]
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    if starts:
        return "\n".join(lines[starts[-1] + 1 :][-_LAST_LINES:])
    last = lines[-1] if lines else str(error)
    return f"it ended without an error message, as when killed or out of memory ({last})"


def _changed(output: Path) -> int:
    """Return when a step's output was finished, or 0 if it is not there."""
    record = output / RECORD
    return record.stat().st_mtime_ns if record.is_file() else 0


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    """Make the run's folder and keep other runs out of it until this process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another `z1 run` is at work there; wait for it, or give --output"
            ) from error
        yield


@contextmanager
def _scratch(folder: Path) -> Iterator[str]:
    """Make a folder for what steps leave behind; remove it, and that of a run that was killed.

    It is not in the run's folder but linked from there, since steps make sockets in it, whose paths
    have to be short.
    """
    link = folder / ".scratch"
    if link.is_symlink():
        if link.readlink().name.startswith(_SCRATCH):
            shutil.rmtree(link.readlink(), ignore_errors=True)
        link.unlink()
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, ignore_cleanup_errors=True) as scratch:
        link.symlink_to(scratch)
        try:
            yield scratch
        finally:
            link.unlink(missing_ok=True)


@contextmanager
def _shell_safe_python() -> Iterator[None]:
    """Quote the path of Python for a while: kfp puts it into a shell script as it stands."""
    before = sys.executable
    sys.executable = shlex.quote(before)
    try:
        yield
    finally:
        sys.executable = before
