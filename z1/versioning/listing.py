"""A registry's dvc.yaml, where DVC's model registry and metrics look for what there is."""

from collections.abc import Mapping
from pathlib import Path

from z1.errors import InputError
from z1.versioning.versions import METRICS

DATA = "data"  # folder of the content within a version's, as DVC brings it


def list_artifacts(url: str, path: Path, kinds: Mapping[str, str]) -> None:
    """Name artifacts, by their kinds, in the dvc.yaml at ``path``, leaving all else as it is.

    Raises InputError if the file, somebody else's, is none that DVC would read.
    """
    from dvc.utils.serialize import ParseError, modify_yaml

    try:
        if path.is_symlink():
            raise TypeError("what it leads to is not part of the registry")
        with modify_yaml(path) as content:
            listed = content.get("artifacts") or {}  # a key without a value is as good as none
            metrics = content.get("metrics") or []
            for name, kind in kinds.items():
                listed[name] = {"path": f"{name}/{DATA}", "type": kind}
                if f"{name}/{METRICS}" not in metrics:
                    metrics.append(f"{name}/{METRICS}")
            content["artifacts"], content["metrics"] = listed, metrics
    except (ParseError, OSError, AttributeError, TypeError) as error:
        raise InputError(
            f"registry {url}: its dvc.yaml is broken: it must be a YAML file, and in it "
            "`artifacts` a mapping and `metrics` a list; mend it there"
        ) from error
