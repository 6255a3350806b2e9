"""Git, as far as a registry needs it: never asking anybody, and with errors that say what to do.

Credentials come from the user's own Git: credential helpers, SSH agents, the environment.
"""

import os
import subprocess
from pathlib import Path

from z1.errors import InputError, hide_secrets

_NAME, _EMAIL = "z1", "z1@localhost"
"""Who commits where the user's Git names nobody."""
_CAUSES = {
    "has files checked out on the branch that is pushed to; use a bare repository, which "
    "`git clone --bare` makes of it": ("refusing to update checked out branch",),
    "belongs to somebody else; if you trust it say "
    "`git config --global --add safe.directory FOLDER`": ("dubious ownership",),
    "refuses access; check the credentials that your Git has for it": (
        "authentication failed",
        "could not read username",
        "could not read password",
        "permission denied",
        "returned error: 401",
        "returned error: 403",
        "host key verification failed",
    ),
    "is no Git repository, or none that you may see": (
        "does not exist",
        "does not appear to be a git repository",
        "not found",
        "no such file",
    ),
    "cannot be reached": (
        "could not resolve host",
        "could not connect",
        "failed to connect",
        "connection refused",
        "connection reset",
        "connection timed out",
        "network is unreachable",
    ),
}

_TELLING = ("fatal:", "error:", " ! ", "remote:", "ssh:")  # how lines that say most begin


class GitError(InputError):
    """Git refused; the message is what it said.

    What nobody makes better sense of is the user's to see: a hook or a signature of their own Git.
    """


def git(folder: Path, *arguments: str, given: str = "", date: int | None = None) -> bytes:
    """Run a Git command and return what it prints. Raises GitError if it fails.

    ``given`` is what it reads; ``date`` the time of the tags it makes, in seconds since 1970.
    """
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        "LC_ALL": "C",  # its messages are looked at
    }
    if date is not None:
        environment["GIT_COMMITTER_DATE"] = f"{date} +0000"
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # of a hook that runs z1
        environment.pop(name, None)
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            input=given.encode(),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError("git is not installed") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise GitError(hide_secrets(said) or f"git {arguments[0]} failed")
    return done.stdout


def clone(url: str, folder: Path) -> None:
    """Clone a repository. Raises InputError that says why it cannot be had."""
    there = Path(url).exists()
    source = str(Path(url).resolve()) if there else url
    try:
        git(folder.parent, "clone", "--quiet", "--", source, str(folder))
    except GitError as error:
        if there and "does not exist" in str(error):  # as Git calls what is no repository
            raise InputError(
                f"registry {url}: is no Git repository; `git init --bare` makes an empty folder one"
            ) from error
        raise InputError(explain(url, error)) from error
    branches = git(folder, "for-each-ref", "--format=%(refname:short)", "refs/remotes/origin")
    if branches and not _has_head(folder):
        names = [name.removeprefix("origin/") for name in branches.decode().split()]
        if len(names) > 1:
            raise InputError(
                f"registry {hide_secrets(url)}: its HEAD names none of its branches, "
                f"{', '.join(names)}; set it there with `git symbolic-ref HEAD refs/heads/BRANCH`"
            )
        git(folder, "checkout", "--quiet", names[0])
    if not _who(folder):
        git(folder, "config", "user.name", _NAME)
        git(folder, "config", "user.email", _EMAIL)


def _has_head(folder: Path) -> bool:
    try:
        git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except GitError:
        return False
    return True


def _who(folder: Path) -> bool:
    """Tell whether the user's Git says who commits."""
    if os.environ.get("GIT_AUTHOR_EMAIL") and os.environ.get("GIT_COMMITTER_EMAIL"):
        return True
    try:
        return bool(git(folder, "config", "user.email") and git(folder, "config", "user.name"))
    except GitError:
        return False


def explain(url: str, error: GitError) -> str:
    """Return what is wrong with a repository, for people."""
    said, shown = str(error).lower(), hide_secrets(url)
    for cause, signs in _CAUSES.items():
        if any(sign in said for sign in signs):
            return f"registry {shown}: {cause} ({telling_line(error)})"
    return f"registry {shown}: {telling_line(error)}"


def telling_line(error: GitError) -> str:
    """Return the line of Git's that says most."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)]
    line = " ".join((telling or lines or ["git failed"])[0].split())
    return line.removeprefix("error: ").removeprefix("fatal: ")
