"""A time limit that nothing outlasts: the kernel ends the process when it is over.

An exception raised by a signal would be swallowed by a library that catches everything, and
would not interrupt a long computation in C. The limit is on computing time, so that a busy
machine gives the same verdicts as an idle one; what waits without computing has three times
as long.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGPROF, signal.SIGALRM)
"""What a process that ran out of time is ended by."""
_WAITING = 3


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End this process if the block computes for longer."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * _WAITING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def paused() -> Iterator[None]:
    """Stop the clock, for what is no part of the limited work: importing a large library."""
    timers = (signal.ITIMER_PROF, signal.ITIMER_REAL)
    left = {timer: signal.setitimer(timer, 0) for timer in timers}
    try:
        yield
    finally:
        for timer, (remaining, interval) in left.items():
            signal.setitimer(timer, remaining, interval)
