"""What a program tries and the sandbox refuses: a record for people, no part of the protection.

Runs inside the judged process.
"""

import os
import time
from collections.abc import Callable
from typing import Any

Report = Callable[[dict[str, Any]], None]
_MOST_BLOCKED = 20
_MOST_WATCHING = 0.2  # seconds; a program in deep folders can make each look expensive
_UNIX = 1  # the family of sockets that pairs are made of


def watch(
    report: Report, allowed: tuple[str, ...], own_network: bool
) -> Callable[[str, Any], None]:
    """Return an audit hook that reports what a program tries and the sandbox refuses.

    It sees what goes through Python, and nothing that a program does in C.
    """
    seen: set[str] = set()
    busy = False
    left = _MOST_WATCHING
    main = os.getpid()
    clock = time.perf_counter

    def note(what: str) -> None:
        if what not in seen and len(seen) < _MOST_BLOCKED and os.getpid() == main:
            seen.add(what)
            report({"blocked": what[:200]})

    def outside(path: Any) -> str | None:
        if isinstance(path, int) or path is None:
            return None
        text = os.fsdecode(path)
        if text.startswith(("<", "/proc/self/fd")) or "\0" in text:
            return None
        # Links count: `link -> /etc` in the own folder leads outside.
        full = os.path.realpath(text)
        inside = any(full == place or full.startswith(f"{place}/") for place in allowed)
        return None if inside else os.path.abspath(text)

    def hook(event: str, details: Any) -> None:
        nonlocal busy, left
        if event not in _WATCHED or busy or left <= 0:
            return
        busy, start = True, clock()
        try:
            kind = _WATCHED[event]
            if kind == "signal":
                if details[0] != main:
                    note(f"signal to process {details[0]}")
            elif kind == "socket":
                if not own_network and details[1] != _UNIX:
                    note(f"network: {event}")
            elif kind == "network":
                note(f"network: {event}")
            else:
                paths = details[:2] if kind == "two" else details[:1]
                for path in paths:
                    if full := outside(path):
                        note(f"file {full}")
        except Exception:
            pass
        finally:
            busy = False
            left -= clock() - start

    return hook


_WATCHED = {
    "open": "one", "os.listdir": "one", "os.scandir": "one", "os.mkdir": "one",
    "os.remove": "one", "os.rmdir": "one", "os.chmod": "one", "os.chown": "one",
    "os.truncate": "one", "os.chdir": "one", "os.rename": "two", "os.link": "two",
    "os.symlink": "one", "os.kill": "signal", "os.killpg": "signal",
    "socket.connect": "network", "socket.sendto": "network", "socket.sendmsg": "network",
    "socket.getaddrinfo": "network", "socket.gethostbyname": "network",
    "socket.__new__": "socket",
}  # fmt: skip
