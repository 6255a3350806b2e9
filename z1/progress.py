"""How far a stage is: a bar for a person at a terminal, lines for a program that watches.

With ``Z1_PROGRESS=lines`` in the environment each report is one line of JSON on standard
output, ``{"z1_progress": STEP, "done": N, "total": N}``; ``z1 run`` reads those. Otherwise a bar
is drawn on standard error if that is a terminal; in a log there is a line every half minute.
"""

import json
import os
import sys
import time

LINES = "lines"
_BAR_WIDTH = 30
_EVERY_SECONDS = 0.2
_LOG_EVERY_SECONDS = 30.0
_last_report = 0.0
_last_logged = time.monotonic()


def report(step: str, done: int, total: int) -> None:
    """Say that ``done`` of ``total`` pieces of a step's work are finished."""
    global _last_report, _last_logged
    now = time.monotonic()
    if 0 < done < total and now - _last_report < _EVERY_SECONDS:
        return
    _last_report = now
    if os.environ.get("Z1_PROGRESS") == LINES:
        print(json.dumps({"z1_progress": step, "done": done, "total": total}), flush=True)
    elif sys.stderr.isatty():
        filled = _BAR_WIDTH * done // max(total, 1)
        bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
        end = "\n" if done >= total else ""
        print(f"\r{step} {bar} {done}/{total}", end=end, file=sys.stderr, flush=True)
    elif 0 < done < total and now - _last_logged > _LOG_EVERY_SECONDS:
        _last_logged = now
        print(f"{step}  {done}/{total}", file=sys.stderr, flush=True)


def spare_logs() -> None:
    """Keep the bars of Hugging Face's libraries, if they are not loaded yet, out of a log."""
    if not sys.stderr.isatty():
        for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
            os.environ.setdefault(name, "1")
