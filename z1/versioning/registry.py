"""A registry: a Git repository in which DVC and GTO keep the versions of models and datasets.

Whatever is read or changed is read or changed in a temporary clone. A change is one push of a
branch and its tags, all or nothing.
"""

import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from z1.errors import InputError, hide_secrets
from z1.versioning.git import GitError, clone, explain, git, telling_line

_REFUSALS = 3  # without anybody else having pushed; a push may fail because another is under way
_ROUNDS = 50
_PAUSE = 1.0  # seconds, at most
_UNCHANGED = "Nothing was changed there; run again when that is mended"
_AWS = {
    "endpointurl": "AWS_ENDPOINT_URL_S3",
    "profile": "AWS_PROFILE",
    "region": "AWS_DEFAULT_REGION",
}
"""What a DVC remote may say of its S3, and the environment that says it to boto3."""


class Storage(NamedTuple):
    """The registry's default DVC remote."""

    name: str
    url: str
    environment: dict[str, str]


class Registry:
    """A clone of a repository; ``url`` is where that is, for people."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = hide_secrets(url), folder
        clone(url, folder)

    def git(self, *arguments: str, given: str = "", date: int | None = None) -> str:
        """Run a Git command in the clone and return what it prints. Raises GitError."""
        return git(self.folder, *arguments, given=given, date=date).decode(errors="replace")

    def read(self, places: Iterable[str]) -> dict[str, bytes]:
        """Return the files at ``REVISION:PATH``; those that are not there are left out."""
        asked = list(places)
        given = "".join(f"{place}\n" for place in asked)
        printed = git(self.folder, "cat-file", "--batch", given=given)
        found: dict[str, bytes] = {}
        for place in asked:
            head, _, printed = printed.partition(b"\n")
            if head.endswith(b" missing"):
                continue
            size = int(head.split()[-1])
            found[place], printed = printed[:size], printed[size + 1 :]
        return found

    def find_storage(self) -> Storage:
        """Return where contents go. Raises InputError if the registry is not set up for that."""
        from dvc.config import Config, ConfigError

        try:
            config = Config(str(self.folder / ".dvc")) if (self.folder / ".dvc").is_dir() else {}
        except ConfigError as error:
            raise InputError(f"registry {self.url}: its .dvc/config: {error}") from error
        name = config.get("core", {}).get("remote")
        remote = config.get("remote", {}).get(name or "", {})
        url = str(remote.get("url", "")).rstrip("/")
        if not url.startswith("s3://"):
            raise InputError(
                f"registry {self.url}: it has no default DVC remote on S3. In a clone of it:\n"
                "  dvc init\n"
                "  dvc remote add --default storage s3://BUCKET/PREFIX\n"
                "  git add .dvc .dvcignore && git commit -m 'Start of the registry' && "
                "git push origin HEAD"
            )
        environment = {_AWS[key]: str(remote[key]) for key in _AWS if key in remote}
        return Storage(name, url, environment)

    def refresh(self) -> None:
        """Make the clone what the repository is now. Raises InputError if it cannot be had."""
        try:
            self.git("fetch", "--quiet", "--prune", "--force", "origin", *_ALL)
        except GitError as error:
            raise InputError(explain(self.url, error)) from error
        if self._refs("refs/remotes/origin"):
            self.git("reset", "--quiet", "--hard", f"refs/remotes/origin/{self.branch}")
            self.git("clean", "--quiet", "-ffd")

    @property
    def branch(self) -> str:
        """The repository's default branch."""
        return self.git("symbolic-ref", "--short", "HEAD").strip()

    def _refs(self, *patterns: str) -> str:
        return self.git("for-each-ref", *patterns)

    def tag(self, name: str, revision: str, message: str, last: bool = False) -> None:
        """Tag a revision; if ``last``, with a time after those of all other tags."""
        date = None
        if last:
            order = ("--sort=-creatordate", "--count=1", "--format=%(creatordate:unix)")
            newest = self.git("for-each-ref", *order, "refs/tags")
            date = max(int(time.time()), int(newest or 0) + 1)
        self.git("tag", "--annotate", "--message", message, name, revision, date=date)

    def push(self, change: Callable[[], list[str]]) -> None:
        """Make a change and push it; if others pushed meanwhile, make it anew on top of theirs.

        ``change`` works on the clone as it then is and returns what to push beside the branch:
        tags. If it returns none there is nothing to do. Raises InputError if the repository does
        not take it; nothing of it is there then.
        """
        refusals = 0
        for _ in range(_ROUNDS):
            self.refresh()
            before = self._refs("refs/remotes/origin", "refs/tags")
            try:
                tags = change()
            except GitError as error:  # such as a signature that cannot be made
                raise InputError(
                    f"registry {self.url}: {telling_line(error)}. {_UNCHANGED}"
                ) from error
            if not tags:
                return
            refs = [f"refs/tags/{tag}" for tag in tags]
            head = f"HEAD:refs/heads/{self.branch}"
            try:
                self.git("push", "--quiet", "--atomic", "origin", head, *refs)
                return
            except GitError as error:
                said = error
            self.refresh()
            if self._refs("refs/remotes/origin", "refs/tags") == before:
                refusals += 1
            if refusals == _REFUSALS:
                raise InputError(f"{explain(self.url, said)}. {_UNCHANGED}") from said
            time.sleep(random.uniform(0, _PAUSE))
        raise InputError(f"registry {self.url}: others keep pushing to it; run again later")


_ALL = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")


@contextmanager
def open_registry(url: str) -> Iterator[Registry]:
    """Clone a registry for a while. Raises InputError if it cannot be had."""
    if not url:
        raise InputError("registry: the name is empty; give the URL or folder of a Git repository")
    try:
        import dvc  # noqa: F401
        import gto  # noqa: F401
    except ImportError as error:
        raise InputError("a registry needs DVC and GTO: pip install 'z1[registry]'") from error
    with _terminable(), tempfile.TemporaryDirectory(prefix="z1-registry-") as folder:
        yield Registry(url, Path(folder) / "clone")


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that what is temporary is removed."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
