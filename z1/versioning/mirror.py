"""Progress of a stage in S3, so that a pod that starts with an empty folder goes on from there.

What a stage says is finished goes to S3 in the background: its files, and of its checkpoints,
folders with a number at the end of their name, the newest. All lies under an address made of the
stage's key, so that nothing which another recipe or other code has made is taken over, and each
has a manifest of its own: it is whole, or not there. So two pods can write there at once, as when
one is still alive that was given up; the last one to finish leaves nothing behind.
"""

import json
import os
import re
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from z1.errors import InputError
from z1.versioning.connection import CONNECTIONS, Connection, StoppedError, parse_address
from z1.versioning.manifest import SUFFIX, NotWholeError
from z1.versioning.parallel import run_all
from z1.versioning.s3 import get, put

PAUSE = 30.0  # seconds until what could not be sent is tried again
_LABEL = "step.json"  # tells people whose progress this is
_SNAPSHOTS = ".kept"  # links to checkpoints, since a trainer may remove its own at any time


class Mirror:
    """A copy in S3 of what is finished in a stage's folder. Leaving its context ends the sending.

    Entering raises InputError if S3 cannot be written to.
    """

    def __init__(self, address: str, key: str, step: str, folder: Path) -> None:
        self._folder, self._step = folder, step
        self._stop = threading.Event()
        self._connection = Connection(parse_address(f"{address.rstrip('/')}/{key}"), self._stop)
        self._place = self._connection.place
        self._news = threading.Condition()
        # By name; all checkpoints have one place in the queue, so that only the newest waits.
        self._waiting: dict[str, tuple[str, Path]] = {}
        self._thread: threading.Thread | None = None
        self._ending = self._failing = False
        self._snapshots = 0

    def __enter__(self) -> "Mirror":
        shutil.rmtree(self._folder / _SNAPSHOTS, ignore_errors=True)
        self._list()  # there are servers that make a missing bucket when something is written
        label = json.dumps({"step": self._step}).encode()
        self._connection.ask("put_object", self._place.key_of(_LABEL), Body=label)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, Exception):
            self._stop.set()  # the stage is done, or its user does not want to wait
        with self._news:
            self._ending = True
            self._news.notify()
        if self._thread:
            self._thread.join()
        self._stop.clear()
        shutil.rmtree(self._folder / _SNAPSHOTS, ignore_errors=True)

    def restore(self) -> None:
        """Bring what is whole in S3 to the folder, and say what is not.

        Raises InputError if the server is gone or the disk full.
        """
        names = self._list()
        whole = {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)}
        files, checkpoints = whole & names, whole - names
        brought = [name for name in run_all(self._bring, sorted(files), CONNECTIONS) if name]
        stems = set()
        for name in sorted(checkpoints, key=_number, reverse=True):
            if _stem(name) not in stems and self._bring(name):
                stems.add(_stem(name))
                brought.append(name)
        known = {_LABEL, *whole, *(f"{name}{SUFFIX}" for name in whole)}
        if cut_off := [n for n in names - known if not known & set(_parents(n))]:
            _say(f"{self._place}: {len(cut_off)} files there are of uploads that were cut off")
        if brought:
            _say(f"{self._step}: {len(brought)} finished pieces came from {self._place}")

    def _bring(self, name: str) -> str | None:
        target = self._folder / name
        try:
            get(self._connection.at(name), target, _quietly)
        except NotWholeError as error:
            _say(f"{error}. It is not gone on from")
            partial = target.with_name(f"{target.name}.partial")
            if partial.is_dir():
                shutil.rmtree(partial)
            partial.unlink(missing_ok=True)
            return None
        return name

    def keep(self, path: Path) -> None:
        """Let a file or checkpoint be sent that will not change any more."""
        name = path.relative_to(self._folder).as_posix()
        with self._news:
            if path.is_dir():
                self._snapshots += 1
                snapshot = self._folder / _SNAPSHOTS / str(self._snapshots)
                path = Path(shutil.copytree(path, snapshot, copy_function=_link))
            slot = _stem(name) if path.is_dir() else name
            if slot in self._waiting:
                self._forget(self._waiting[slot][1])
            self._waiting[slot] = name, path
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_all, daemon=True)
                self._thread.start()
            self._news.notify()

    def _send_all(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                slot = next(iter(self._waiting))
                name, source = self._waiting.pop(slot)
            try:
                put(self._connection.at(name), source, _quietly)
                if source.is_dir():
                    self._remove_older(name)
            except StoppedError:
                return
            except Exception as error:  # the stage itself can go on, whatever it is
                if not self._failing:
                    _say(f"{self._step} goes on and sends later what S3 does not take: {error}")
                self._failing = True
                with self._news:
                    if slot in self._waiting:  # a newer checkpoint
                        self._forget(source)
                    else:
                        self._waiting[slot] = name, source
                    if self._ending:
                        return
                self._stop.wait(PAUSE)
            else:
                if self._failing:
                    _say(f"{self._place}: {name} is there now")
                self._failing = False
                self._forget(source)

    def _forget(self, source: Path) -> None:
        if source.parent == self._folder / _SNAPSHOTS:
            shutil.rmtree(source, ignore_errors=True)

    def _remove_older(self, name: str) -> None:
        """Remove the checkpoints that a whole one comes after."""
        self._delete(
            each
            for each in self._list()
            for older in [each.removesuffix(SUFFIX), *_parents(each)]
            if _stem(older) == _stem(name) and _number(older) < _number(name)
        )

    def remove(self) -> None:
        """Remove all from S3. If that fails it is said and no more, since the stage is done."""
        try:
            self._delete(self._list())
            prefix = f"{self._place.key}/"
            for upload in self._connection.list("list_multipart_uploads", "Uploads", Prefix=prefix):
                self._connection.ask(
                    "abort_multipart_upload", upload["Key"], UploadId=upload["UploadId"]
                )
        except InputError as error:
            _say(f"{error}. The step is done; remove {self._place} by hand")

    def _list(self) -> set[str]:
        prefix = f"{self._place.key}/"
        found = self._connection.list("list_objects_v2", "Contents", Prefix=prefix)
        return {each["Key"].removeprefix(prefix) for each in found}

    def _delete(self, names: Iterable[str]) -> None:
        """Remove objects; manifests first, so that nothing seems to be whole that is not."""
        by_kind: dict[bool, list[str]] = {True: [], False: []}
        for name in names:
            by_kind[name.endswith(SUFFIX)].append(self._place.key_of(name))
        for keys in by_kind.values():
            for _ in run_all(lambda k: self._connection.ask("delete_object", k), keys, CONNECTIONS):
                pass


def _number(name: str) -> int:
    """Return the number at the end of a checkpoint's name."""
    return int(name.removeprefix(_stem(name)) or 0)


def _stem(name: str) -> str:
    return re.sub(r"\d+$", "", name)


def _parents(name: str) -> list[str]:
    """Return the folders in which a name lies."""
    return [name[: match.start()] for match in re.finditer("/", name)]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system can
        shutil.copy2(source, target)


def _quietly(*_: object) -> None:
    """The bar is that of the stage."""


def _say(what: str) -> None:
    print(what, flush=True)
