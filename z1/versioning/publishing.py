"""Publishing: contents to S3, then what is known of them to the registry, in one push.

A content lies at an address made of itself, so that two publishers of the same content never
disturb each other and a content that no version names yet does no harm.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from z1 import progress
from z1.environment import environment
from z1.errors import InputError
from z1.versioning import s3
from z1.versioning.connection import Connection, parse_address
from z1.versioning.content import content_of
from z1.versioning.listing import DATA, list_artifacts
from z1.versioning.manifest import Manifest, describe
from z1.versioning.registry import Registry, Storage, open_registry
from z1.versioning.versions import (
    METRICS,
    RECORD,
    STAGE_RECORD,
    Ancestor,
    Published,
    Version,
    list_versions,
    next_number,
)

_FOLDER = "z1"  # of all contents, within the DVC remote


@dataclass(frozen=True)
class Artifact:
    """A dataset or model to publish."""

    name: str
    kind: Literal["model", "dataset"]
    step: str
    key: str
    folder: Path
    parents: tuple[str, ...]
    """Names of other artifacts."""
    origins: Mapping[str, str]
    metrics: Mapping[str, Any]
    ancestors: tuple[Ancestor, ...] = ()
    """Parents that are in the registry already."""
    made: str | None = None
    """Digest of the content that its step has made, where that is known."""
    seen: str | None = None
    """Digest of the content that is in the folder, where that is known without reading it."""
    tested: bool = False
    """Whether the metrics hold figures of an evaluation, and other ones make a new version."""


class Outcome(NamedTuple):
    """A version, such as ``demo@v3``, where its content lies, and whether it was not there yet."""

    version: str
    content: str
    new: bool
    digest: str
    """Of the content."""


def publish(url: str, artifacts: Sequence[Artifact], recipe: str, text: str) -> dict[str, Outcome]:
    """Publish artifacts, each after its parents, that a recipe of this name and text has made.

    Returns what came of each, by its name. One that is there with the same key and content, and
    the same figures if it has been tested, keeps its version. Raises InputError if one is not what
    its step has made, or the registry or S3 does not allow it; nothing is published then, and what
    S3 has got is not sent again.
    """
    with open_registry(url) as registry:
        storage = registry.find_storage()
        with (
            environment(storage.environment),
            tempfile.TemporaryDirectory(prefix="z1-dvc-") as scratch,
        ):
            # One for all, since a client of S3 takes longer to make than a small content to send.
            connection = Connection(parse_address(f"{storage.url}/{_FOLDER}"))
            contents = {each.name: _store(each, connection) for each in artifacts}
            publication = _Publication(registry, storage, contents, recipe, text, Path(scratch))
            registry.push(lambda: publication.write(artifacts))
    return publication.outcomes


def _store(artifact: Artifact, connection: Connection) -> Manifest:
    """Bring a step's output, without its record, to the address made of its content.

    What is there already, whole, is not sent again, and if the content is known not read either.
    """
    folder = artifact.folder
    if artifact.seen is not None and artifact.made in (None, artifact.seen):
        there = s3.find_whole(connection.at(artifact.seen))
        if there is not None and there.digest == artifact.seen:
            return there
    with content_of(folder) as content:
        manifest = describe(content)
        if not manifest.files:
            raise InputError(f"{folder}: there is nothing in it to publish")
        if artifact.made is not None and manifest.digest != artifact.made:
            raise InputError(
                f"{folder}: was changed after its step had made it, so its figures and its lineage "
                "are not its own; bring back what was changed, or remove the folder and run the "
                "step again"
            )
        place = connection.at(manifest.digest)
        if s3.find_whole(place) != manifest and s3.put(place, content, progress.report) != manifest:
            raise InputError(f"{folder}: was changed while it was being published; run again")
    return manifest


def address_of(storage: Storage, digest: str) -> str:
    """Return where a content lies."""
    return f"{storage.url}/{_FOLDER}/{digest}"


class _Publication:
    """What is written into a registry's clone, anew whenever somebody else was quicker."""

    def __init__(
        self,
        registry: Registry,
        storage: Storage,
        contents: Mapping[str, Manifest],
        recipe: str,
        text: str,
        scratch: Path,
    ) -> None:
        self._registry, self._storage, self._contents = registry, storage, contents
        self._recipe, self._text, self._scratch = recipe, text, scratch
        self.outcomes: dict[str, Outcome] = {}

    def write(self, artifacts: Sequence[Artifact]) -> list[str]:
        """Commit and tag all that is not there yet; return the tags."""
        there = list_versions(self._registry)
        self.outcomes = {}
        tags: dict[str, str] = {}
        for artifact in artifacts:
            digest = self._contents[artifact.name].digest
            content = address_of(self._storage, digest)
            same = (str(each) for each in there if _is_same(each, artifact, digest))
            version = next(same, None)
            if version is None:
                version = f"{artifact.name}@v{next_number(self._registry, artifact.name)}"
                tags[f"{version}.0.0"] = f"Registering artifact {version.replace('@', ' version ')}"
                self._write_files(artifact, content)
            new = f"{version}.0.0" in tags
            self.outcomes[artifact.name] = Outcome(version, content, new, digest)
        if tags:
            kinds = {each.name: each.kind for each in artifacts}
            list_artifacts(self._registry.url, self._registry.folder / "dvc.yaml", kinds)
            # Whatever a registry, or its user, tells Git to ignore; and where only a version's tag
            # was gone there is nothing to add.
            self._registry.git("add", "--all", "--force")
            what = ", ".join(tag.removesuffix(".0.0") for tag in reversed(tags))
            message = f"Publish {what}"
            self._registry.git("commit", "--quiet", "--allow-empty", "--message", message)
        for tag, message in tags.items():
            self._registry.tag(tag, "HEAD", message)
        return list(tags)

    def _write_files(self, artifact: Artifact, content: str) -> None:
        folder = self._make_folder(artifact.name)
        manifest = self._contents[artifact.name]
        published = Published(
            name=artifact.name,
            kind=artifact.kind,
            step=artifact.step,
            key=artifact.key,
            content=content,
            digest=manifest.digest,
            size=manifest.size,
            recipe=self._recipe,
            parents=(*map(self._ancestor, artifact.parents), *artifact.ancestors),
            origins=dict(artifact.origins),
        )
        files = {
            f"{DATA}.dvc": self._reference(manifest.digest),
            ".gitignore": f"/{DATA}\n".encode(),
            RECORD: _to_json(published.model_dump(mode="json")),
            METRICS: _to_json(artifact.metrics),
            "recipe.yaml": self._text.encode(),
        }
        record = artifact.folder / STAGE_RECORD
        if record.is_file():
            files[STAGE_RECORD] = record.read_bytes()
        else:
            (folder / STAGE_RECORD).unlink(missing_ok=True)
        for name, text in files.items():
            try:
                (folder / name).unlink(missing_ok=True)  # it might be a link to somewhere else
                (folder / name).write_bytes(text)
            except OSError as error:
                raise self._in_the_way(folder / name) from error

    def _make_folder(self, name: str) -> Path:
        folder = self._registry.folder
        for part in Path(name).parts:
            folder /= part
            if folder.is_symlink() or folder.is_file():
                raise self._in_the_way(folder)
            folder.mkdir(exist_ok=True)
        return folder

    def _in_the_way(self, path: Path) -> InputError:
        inside = path.relative_to(self._registry.folder)
        return InputError(
            f"registry {self._registry.url}: {inside} is in the way of what is published; rename "
            "it there"
        )

    def _ancestor(self, name: str) -> Ancestor:
        outcome = self.outcomes[name]
        return Ancestor(
            version=outcome.version,
            content=outcome.content,
            digest=self._contents[name].digest,
        )

    def _reference(self, digest: str) -> bytes:
        """Return the file by which DVC refers to a content where it lies.

        DVC makes it in a project of its own: in the registry it would look through all that is
        there each time, and again whenever somebody else was quicker.
        """
        from dvc.repo import Repo

        reference = self._scratch / digest / f"{DATA}.dvc"
        if not reference.is_file():
            logging.getLogger("dvc").setLevel(logging.WARNING)  # the rest is for its own users
            try:
                settings = self._scratch / ".dvc"
                if not settings.is_dir():
                    Repo.init(str(self._scratch), no_scm=True).close()
                    (settings / "config").rename(settings / "config.local")  # it says: no Git
                    shutil.copyfile(self._registry.folder / ".dvc" / "config", settings / "config")
                reference.parent.mkdir(exist_ok=True)
                source = f"remote://{self._storage.name}/{_FOLDER}/{digest}"
                with Repo(str(self._scratch)) as repo:
                    repo.imp_url(source, out=str(reference.with_suffix("")), no_download=True)
            except Exception as error:  # DVC lets the errors of all its libraries through
                address = address_of(self._storage, digest)
                raise InputError(f"{address}: DVC cannot refer to it: {error}") from error
        return reference.read_bytes()


def _is_same(version: Version, artifact: Artifact, digest: str) -> bool:
    """Tell whether a version is what would be published."""
    published = version.published
    if published is None or not version.active or version.name != artifact.name:
        return False
    if (published.key, published.digest) != (artifact.key, digest):
        return False
    return not artifact.tested or _to_json(version.metrics) == _to_json(artifact.metrics)


def _to_json(content: Any) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"
