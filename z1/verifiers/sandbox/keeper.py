"""The keeper of a sandbox: forks a judged process for each test and sees that nothing outlives it.

The first process inside the sandbox; no program runs in it. It runs on the standard library alone
and takes requests from the judge as lines of JSON on its input. It ends when that is closed.
"""

import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from typing import Any

from z1.verifiers.sandbox import confine, judged, tidy

_TICK = 0.1  # seconds between two looks at memory and files
_MOST_DESCRIPTORS = 256
_STACK_BYTES = 128 * 2**20
_PLACES = 900  # descriptors from here on are folders that a path does not lead to


def serve(settings: dict[str, Any]) -> None:
    """Set the sandbox up and answer requests until there are no more."""
    keeper = _Keeper(settings)
    _say({"folder": keeper.folder})
    try:
        while line := sys.stdin.buffer.readline():
            _say(keeper.judge(json.loads(line)))
    finally:
        keeper.close()


def _say(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


class _Keeper:
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        sys.path += settings["packages"]
        import site

        site.setquit()  # exit() and quit(), which -S leaves out
        judged.make_prelude()
        self._ruleset = None
        uid, given = settings["uid"], settings["folder"]
        places = _open_places([sys.base_prefix, *settings["packages"]]) if uid else {}
        readable = [*settings["readable"], sys.base_prefix, *settings["packages"]]
        readable += [f"/proc/self/fd/{place}" for place in places.values()]
        descriptors = _rule_places(readable)
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        self.folder: str = given or tempfile.mkdtemp(prefix="z1-sandbox-")
        writable = [self.folder]
        if settings["own_processes"]:
            writable.append("/dev/shm")
        self._shared = writable
        devices = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
        if given:  # its own /proc shows no other processes
            readable.append("/proc")
        if confine.landlock_abi():
            readable = [f"/proc/self/fd/{place}" for place in descriptors] + (
                ["/proc"] if given else []
            )
            self._ruleset = confine.make_ruleset(readable, devices, writable)
        elif not given:
            raise OSError("this kernel has no Landlock")
        for place in descriptors:
            os.close(place)
        self._kept = _use_places(places)
        self._allowed = (
            *settings["readable"], sys.base_prefix, *settings["packages"], *devices, *writable,
            *(["/proc"] if given else []),
            *(f"/proc/self/fd/{place}" for place in places.values()),
        )  # fmt: skip
        _write("/proc/self/oom_score_adj", "1000")
        confine.prctl(confine.SET_DUMPABLE, 0)  # hides its memory and descriptors
        if os.getpid() != 1:
            confine.prctl(confine.SET_SUBREAPER, 1)  # orphans become its children
        os.chdir(self.folder)
        tidy.wipe(self._shared)
        os.environ.clear()
        os.environ.update(
            HOME=self.folder,
            TMPDIR=self.folder,
            PATH="/usr/local/bin:/usr/bin:/bin",
            LANG="C.UTF-8",
            OPENBLAS_NUM_THREADS="1",  # each thread of it would reserve memory by the core
        )
        if not os.access(sys.executable, os.X_OK):  # in root's home folder; programs start it
            sys.executable = shutil.which("python3") or sys.executable
        tempfile.tempdir = None
        self._own_bytes = tidy.resident("self")
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Leave nothing behind."""
        self._sweep({})
        tidy.wipe(self._shared)
        if not self._settings["folder"]:
            os.chdir("/")
            os.rmdir(self.folder)

    # ------------------------------------------------------------ one test

    def judge(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run one test and return what came of it, when every process it started is gone.

        ``stopped`` is ``time``, ``memory`` or ``output`` where the keeper ended it, ``clean``
        whether the sandbox is as empty as before.
        """
        given = _holding(request.pop("input", ""))
        output, output_end = os.pipe2(os.O_CLOEXEC)
        reports, reports_end = os.pipe2(os.O_CLOEXEC)
        child = os.fork()
        if child == 0:
            try:
                self._become_judged(request, given, output_end, reports_end)
            finally:
                os._exit(70)
        for descriptor in (given, output_end, reports_end):
            os.close(descriptor)
        streams = {output: bytearray(), reports: bytearray()}
        stopped = self._watch(child, streams, request)
        ended: dict[int, Any] = {}
        swept = self._sweep(ended)
        for stream, held in streams.items():
            os.set_blocking(stream, False)
            while len(held) <= request["output_bytes"]:
                try:
                    piece = os.read(stream, 2**16)
                except BlockingIOError:
                    break
                if not piece:
                    break
                held += piece
            os.close(stream)
        if any(len(held) > request["output_bytes"] for held in streams.values()):
            stopped = stopped or "output"
        status, usage = ended.get(child, (None, None))
        return {
            "stopped": stopped,
            "signal": -status if status is not None and status < 0 else None,
            "cpu": usage.ru_utime + usage.ru_stime if usage else 0.0,
            "output": streams[output][: request["output_bytes"]].decode("utf-8", "replace")
            if request["kind"] == "stdin"
            else "",
            "reports": streams[reports][: request["output_bytes"]].decode("utf-8", "replace"),
            "clean": tidy.wipe(self._shared) and swept,
        }

    def _become_judged(
        self, request: dict[str, Any], given: int, output: int, reports: int
    ) -> None:
        os.setsid()
        nothing = os.open("/dev/null", os.O_WRONLY)
        for source, target in ((given, 0), (output, 1), (nothing, 2)):
            os.dup2(source, target)
        kept = sorted({reports, *self._kept, *([self._ruleset] if self._ruleset else [])})
        start = 3
        for descriptor in kept:
            os.closerange(start, descriptor)
            start = descriptor + 1
        os.closerange(start, 2**12)
        own = self._settings["own_processes"]
        processes = request["processes"] + (0 if own else tidy.count_own())
        memory = request["memory_bytes"]
        for limit, value in (
            (resource.RLIMIT_NPROC, processes),
            (resource.RLIMIT_NOFILE, _MOST_DESCRIPTORS),
            (resource.RLIMIT_FSIZE, request["file_bytes"]),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_AS, memory),
        ):
            hard = resource.getrlimit(limit)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, value))
        # Programs ask for more of it by habit, and the limit on memory counts it.
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        stack = min(
            [_STACK_BYTES, memory // 2, *([hard] if hard != resource.RLIM_INFINITY else [])]
        )
        resource.setrlimit(resource.RLIMIT_STACK, (stack, hard))
        seconds = max(1, round(request["seconds"] + 0.49))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        signal.set_wakeup_fd(-1)
        own_network = self._settings["own_network"]
        confine.confine(self._ruleset, own_network, not own)
        judged.run(request, reports, self._allowed, own_network)

    def _watch(self, child: int, streams: dict[int, bytearray], request: Any) -> str | None:
        """Wait until the judged process ends; return why it has to be stopped, if it has."""
        ending = os.pidfd_open(child)
        poll = select.poll()
        for stream in streams:
            poll.register(stream, select.POLLIN)
        poll.register(ending, select.POLLIN)
        poll.register(0, 0)  # says when the judge has gone
        now = time.monotonic()
        deadline, look = now + request["wall_seconds"], now + _TICK
        try:
            while True:
                if now >= deadline:
                    return "time"
                if now >= look:
                    if self._resident() > request["memory_bytes"]:
                        return "memory"
                    if not tidy.fits(self._shared, request["file_bytes"]):
                        return "output"
                    now = time.monotonic()
                    look = now + _TICK
                wait = max(0.0, min(look, deadline) - now)
                ready = dict(poll.poll(wait * 1000 + 1))
                for stream, held in streams.items():
                    if stream not in ready:
                        continue
                    if piece := os.read(stream, 2**16):
                        held += piece
                        if len(held) > request["output_bytes"]:
                            return "output"
                    else:
                        poll.unregister(stream)
                if ending in ready or 0 in ready:
                    return None
                now = time.monotonic()
        finally:
            os.close(ending)

    # ------------------------------------------------------------ all processes of a test

    def _sweep(self, ended: dict[int, Any]) -> bool:
        """Kill all that is left of a test and wait for its end; tell whether all are gone.

        ``ended`` receives the exit code and resource usage of each.
        """
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            try:
                while True:
                    pid, status, usage = os.wait4(-1, os.WNOHANG)
                    if not pid:
                        break
                    ended[pid] = (os.waitstatus_to_exitcode(status), usage)
            except ChildProcessError:
                return True
            if self._settings["own_processes"]:
                tidy.kill(-1)
            else:
                for pid, _ in tidy.descendants():
                    tidy.kill(pid)
            time.sleep(0.0005)
        return False

    def _resident(self) -> int:
        """Return how many bytes the judged processes hold beyond what each had at its start."""
        page = resource.getpagesize()
        return sum(max(0, pages * page - self._own_bytes) for _, pages in tidy.descendants())


# ---------------------------------------------------------------- what a test begins with


def _holding(text: str) -> int:
    """Return a descriptor of an unnamed file with a text, at its start."""
    descriptor = os.memfd_create("input")
    content = text.encode("utf-8", "surrogateescape")
    while content:
        content = content[os.write(descriptor, content) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        pass  # not every kernel and container lets it


# ---------------------------------------------------------------- folders that root alone reaches


def _rule_places(paths: list[str]) -> list[int]:
    """Open paths, with the rights that this process has before it changes its user."""
    found = []
    for path in paths:
        try:
            found.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
        except OSError:
            continue
    return found


def _open_places(paths: list[str]) -> dict[str, int]:
    """Open the folders that Python imports from; another user may not be let in by their path.

    A Python in root's home folder is such a case.
    """
    found: dict[str, int] = {}
    for number, path in enumerate(dict.fromkeys(paths)):
        first = os.open(path, os.O_PATH)
        os.dup2(first, _PLACES + number, inheritable=True)
        os.close(first)
        found[path] = _PLACES + number
    return found


def _use_places(places: dict[str, int]) -> list[int]:
    """Import by descriptor from each folder that its path does not lead to; return those kept."""
    kept = []
    for path, place in places.items():
        if os.access(path, os.R_OK | os.X_OK):
            os.close(place)
            continue
        kept.append(place)
        through = f"/proc/self/fd/{place}"

        def moved(old: str, path: str = path, through: str = through) -> str:
            return through + old[len(path) :] if f"{old}/".startswith(f"{path}/") else old

        sys.path[:] = [moved(old) for old in sys.path]
        for module in list(sys.modules.values()):
            if isinstance(inner := getattr(module, "__path__", None), list):
                inner[:] = [moved(old) for old in inner]
    sys.path_importer_cache.clear()
    return kept
