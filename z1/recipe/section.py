"""What all sections of the recipe have in common: unknown keys are refused, paths looked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]


def _not_blank(text: str) -> str:
    if text and not text.strip():
        raise ValueError("this is blank; write a text")
    return text


Prompt = Annotated[str, Field(min_length=1), AfterValidator(_not_blank)]


class Section(BaseModel):
    """A part of the recipe."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    hub_or_folder: ClassVar[tuple[str, ...]] = ()
    """Fields with a Hugging Face id, or a folder (for some, a file) where one of that name is
    beside the recipe."""
    file_or_folder: ClassVar[tuple[str, ...]] = ()
    """Fields with a path that may be a folder; any other path has to be a file."""
    url_or_folder: ClassVar[tuple[str, ...]] = ()
    """Fields with the URL of a Git repository, or a folder."""

    def uses(self) -> tuple[str, ...]:
        """Return the other top-level keys that a stage reads because of what this section says."""
        return ()

    @field_validator("*")
    @classmethod
    def _is_there(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse files and folders that are not there, if ``context`` says where to look."""
        folder: Path | None = (info.context or {}).get("folder")
        if folder is None or value is None:
            return value
        if isinstance(value, Path) and not _from(folder, value).is_file():
            if info.field_name in cls.file_or_folder and _from(folder, value).is_dir():
                return value
            raise _missing("file", _from(folder, value))
        if info.field_name in cls.hub_or_folder and _is_local(folder, value):
            raise _missing("folder", _from(folder, value))
        local = info.field_name in cls.url_or_folder and not _is_url(value)
        if local and not _from(folder, value).is_dir():
            raise _missing("folder", _from(folder, value))
        return value


def _missing(kind: str, path: Path) -> PydanticCustomError:
    return PydanticCustomError(
        "missing_path", "there is no {kind} {path}", {"kind": kind, "path": str(path)}
    )


def _from(folder: Path, path: str | Path) -> Path:
    try:
        return folder / Path(path).expanduser()
    except RuntimeError:  # ~ of nobody
        return folder / path


def _is_local(folder: Path, name: str) -> bool:
    """Tell whether a hub id or folder must be a folder, and is none.

    An id has one slash at most; one that begins with a folder that is there is taken for a path.
    """
    path = _from(folder, name)
    if name == "tiny" or path.exists():
        return False
    return _looks_local(name) or ("/" in name and path.parent.is_dir())


def _looks_local(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _is_url(name: str) -> bool:
    """Tell whether Git takes this for the URL of a repository, such as ``git@host:name``."""
    return "://" in name or ":" in name.split("/")[0]


def resolve_paths(section: Any, folder: Path) -> Any:
    """Return the section with every relative file path made absolute from ``folder``."""
    if isinstance(section, Section):
        values = {
            name: resolve_paths(getattr(section, name), folder) for name in section.model_fields_set
        }
        for name in section.hub_or_folder:
            if (value := getattr(section, name)) and _from(folder, value).exists():
                values[name] = str(_from(folder, value))
        for name in section.url_or_folder:
            if (value := getattr(section, name)) and not _is_url(value):
                values[name] = str(_from(folder, value))
        return section.model_copy(update=values)
    if isinstance(section, list):
        return [resolve_paths(item, folder) for item in section]
    return _from(folder, section) if isinstance(section, Path) else section


def find_local_paths(section: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the key and value of every file and folder of this machine that a section names.

    The section's paths have been resolved; ids on the hub and addresses are none.
    """
    if isinstance(section, Section):
        for name in type(section).model_fields:
            value, inner = getattr(section, name), f"{key}.{name}".removeprefix(".")
            if name in section.hub_or_folder and value and "://" not in value:
                value = Path(value) if _looks_local(value) else None
            yield from find_local_paths(value, inner)
    elif isinstance(section, list):
        for number, item in enumerate(section):
            yield from find_local_paths(item, f"{key}.{number}")
    elif isinstance(section, Path):
        yield key, str(section)
