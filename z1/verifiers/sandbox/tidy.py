"""What a test holds and leaves: its processes, their memory, its files. Measured, and removed.

Runs inside the sandbox, in its keeper, on the standard library alone.
"""

import os
import resource
import signal
import stat

_MOST_FILES = 10_000


def kill(pid: int) -> None:
    """Kill a process, or -1 for all of this user's; it may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def descendants() -> list[tuple[int, int]]:
    """Return the process id and resident pages of each process below this one."""
    parents, pages = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            parents[int(name)] = int(fields[1])
            pages[int(name)] = int(fields[21])
    found = {os.getpid()}
    rest = dict(parents)
    while new := {pid for pid, parent in rest.items() if parent in found}:
        found |= new
        rest = {pid: parent for pid, parent in rest.items() if pid not in new}
    return [(pid, pages[pid]) for pid in found if pid in pages and pid != os.getpid()]


def resident(pid: str) -> int:
    """Return the resident bytes of a process, which may be ``self``."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def count_own() -> int:
    """Return how many threads this user runs, which the limit on processes counts as well."""
    count, own = 0, os.getuid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == own:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
    return count


def fits(folders: list[str], most_bytes: int) -> bool:
    """Tell whether what this user has in folders is within the limits."""
    total = count = 0
    own = os.getuid()
    rest = list(folders)
    while rest:
        try:
            with os.scandir(rest.pop()) as entries:
                for entry in entries:
                    about = entry.stat(follow_symlinks=False)
                    if about.st_uid != own:
                        continue
                    total += about.st_blocks * 512
                    count += 1
                    if total > most_bytes or count > _MOST_FILES:
                        return False
                    if stat.S_ISDIR(about.st_mode):
                        rest.append(entry.path)
        except OSError:
            continue
    return True


def wipe(folders: list[str]) -> bool:
    """Empty folders of what this user has there; tell whether that worked.

    What lies deep is moved up before it is removed, so that no nesting is too deep.
    """
    try:
        for folder in folders:
            _wipe_one(folder)
    except OSError:
        return False
    return True


def _wipe_one(folder: str) -> None:
    own, number = os.getuid(), 0
    if os.stat(folder).st_uid == own:
        os.chmod(folder, 0o700)
    while mine := [
        f"{folder}/{name}" for name in os.listdir(folder)
        if os.lstat(f"{folder}/{name}").st_uid == own
    ]:  # fmt: skip
        for path in mine:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
                continue
            os.chmod(path, 0o700)
            for name in os.listdir(path):
                inner = f"{path}/{name}"
                if stat.S_ISDIR(os.lstat(inner).st_mode):
                    os.chmod(inner, 0o700)
                    while os.path.lexists(f"{folder}/.moved-{number}"):
                        number += 1
                    os.rename(inner, f"{folder}/.moved-{number}")
                else:
                    os.unlink(inner)
            os.rmdir(path)
