"""How a sandbox is begun: with bubblewrap's namespaces, or with Landlock alone.

Inside, both confine each judged process by Landlock (where the kernel has it), seccomp and limits.
Bubblewrap adds a file system, process table and network of its own. It needs namespaces, which a
restricted pod refuses; Landlock needs nothing, and there a program has no sockets at all. As root
both change to a user of their own.
"""

import functools
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from z1.errors import InputError

ISOLATIONS = ("bubblewrap", "landlock")
"""The strongest first."""
_USERS = range(60578, 61184)  # that no distribution gives to anybody
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin")
_FILES = (
    "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types",
)  # fmt: skip
# The modules arrive as text, for the project's own folder may be out of sight inside. They import
# each other by name and are then forgotten, so that a program does not meet them.
_START = """
import sys, json, types
settings = json.loads(sys.stdin.buffer.readline())
for name in "z1", "z1.verifiers", "z1.verifiers.sandbox":
    sys.modules[name] = types.ModuleType(name)
for name, source in settings.pop("modules").items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
for name in [name for name in sys.modules if name.partition(".")[0] == "z1"]:
    del sys.modules[name]
module.serve(settings)
"""
_MODULES = ("confine", "watch", "tested", "judged", "tidy", "keeper")  # each after what it imports


def available() -> dict[str, str | None]:
    """Return why each kind of isolation cannot be had here; None where it can."""
    return {isolation: _problem(isolation) for isolation in ISOLATIONS}


def choose(isolation: str) -> str:
    """Return the isolation to use: the one asked for, or for ``auto`` the strongest there is.

    Raises InputError if it cannot be had here; no program is ever run without one.
    """
    if isolation == "auto":
        for name in ISOLATIONS:
            if _problem(name) is None:
                return name
        reasons = "; ".join(f"{name}: {why}" for name, why in available().items())
        raise InputError(f"programs cannot be run safely on this machine ({reasons})")
    if isolation not in ISOLATIONS:
        known = ", ".join(("auto", *ISOLATIONS))
        raise InputError(f"{isolation}: no such isolation; there are {known}")
    if (problem := _problem(isolation)) is not None:
        raise InputError(
            f"verify.isolation asks for {isolation}, which cannot be had here: {problem}; "
            "ask for another, or for auto"
        )
    return isolation


@functools.cache
def _problem(isolation: str) -> str | None:
    """Try a kind of isolation on an empty program."""
    from z1.verifiers.sandbox import Limits, Sandbox

    if isolation == "bubblewrap" and not shutil.which("bwrap"):
        return "there is no bwrap; install the package bubblewrap"
    try:
        with Sandbox(isolation) as sandbox:
            found = sandbox.run_script("print(1)", "", Limits())
    except OSError as error:
        return str(error)
    return None if found.output == "1\n" else f"a trial printed {found}"


def begin(isolation: str, uid: int | None, memory_bytes: int) -> tuple[list[str], dict[str, Any]]:
    """Return the command that begins a sandbox and the settings that its keeper reads first."""
    python = [sys._base_executable, "-s", "-S", "-P", "-c", _START]  # type: ignore[attr-defined]
    packages = _packages()
    settings: dict[str, Any] = {
        "modules": _sources(),
        "packages": packages,
        "readable": [*_SYSTEM, *_FILES],
        "uid": uid,
        "folder": None,
        "own_processes": uid is not None,
        "own_network": False,
    }
    if isolation == "landlock":
        return python, settings
    # An empty folder of the sandbox's own stands in for /tmp, and hides what is installed there.
    places = [
        f"/packages/{number}" if Path(path).is_relative_to("/tmp") else path
        for number, path in enumerate(packages)
    ]
    settings |= {"folder": "/tmp", "own_processes": True, "own_network": True, "packages": places}
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"]
    if uid is not None:  # as root it needs no namespace of users, and gives up its rights inside
        command = [word if word != "--unshare-all" else "--unshare-ipc" for word in command]
        command += ["--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    for path in _SYSTEM:
        if Path(path).is_symlink():
            command += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            command += ["--ro-bind", path, path]
    bound = [(path, path) for path in (*_FILES, sys.base_prefix)]
    for path, place in [*bound, *zip(packages, places, strict=True)]:
        if path != "/usr" and not path.startswith("/usr/"):
            command += ["--ro-bind-try", path, place]
    size = ["--perms", "1777", "--size", str(memory_bytes), "--tmpfs"]
    command += ["--proc", "/proc", "--dev", "/dev", *size, "/dev/shm", "--remount-ro", "/dev"]
    command += [*size, "/tmp", "--remount-ro", "/", "--chdir", "/tmp", "--", *python]
    return command, settings


@functools.cache
def _packages() -> list[str]:
    """Return the folders of installed packages, where this Python looks for them."""
    names = ("site-packages", "dist-packages")
    return [path for path in dict.fromkeys(sys.path) if Path(path).name in names]


@functools.cache
def _sources() -> dict[str, str]:
    """Return the text of the modules that run inside, by name."""
    here = Path(__file__).parent
    return {
        f"{__package__}.{name}": (here / f"{name}.py").read_text(encoding="utf-8")
        for name in _MODULES
    }


@contextmanager
def own_user() -> Iterator[int | None]:
    """Reserve a user that nothing else runs as, on this machine; None if this is not root."""
    if os.geteuid() != 0:
        yield None
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        for uid in _USERS:
            try:
                lock.bind(f"\0z1-sandbox-{uid}")  # gone when this process is, however it ends
            except OSError:
                continue
            yield uid
            return
        raise OSError("no user is left to run programs as")
