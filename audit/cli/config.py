"""`audit.yaml`: the options of `model-audit scan`, written down once and kept beside the model.

A file names options as the command line does, without the dashes in front. What the command line also says wins.
Paths are relative to the file, so that an audit can be started from anywhere. What is no path stays as it is: named
data sets (`mnist:train`), numbers, and policies that come with the tool.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    with_config,
)
from typing_extensions import TypedDict

from audit.errors import ConfigError, suggest
from audit.request.option import Field as Option
from audit.request.request import options
from audit.yaml_file import read_mapping

_NAMED_SET = re.compile(r"[\w-]+:(train|test)\b", re.IGNORECASE)


def _key(name: str) -> str:
    """Name of an option in a file, of a field such as `input_shape`."""
    return name.replace("_", "-")


def _numbers(value: str) -> bool:
    try:
        return bool([float(word) for word in value.split(",")])
    except ValueError:
        return False


def _beside(info: ValidationInfo, path: str) -> str:
    return str(Path(info.context or "") / path)


def _relative_unless(no_path: Callable[[str], object] = lambda value: False) -> AfterValidator:
    """Make paths relative to the folder of the file; what is no path, or empty, stays as it is."""

    def resolve(value: str, info: ValidationInfo) -> str:
        return value if not value or no_path(value) else _beside(info, value)

    return AfterValidator(resolve)


def _words(value: str | float | list[Any]) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _formats(value: str | list[str], info: ValidationInfo) -> list[str]:
    pairs = [word.strip().partition("=") for word in _words(value).split(",")]
    return [
        f"{name}={_beside(info, path) if path else path}" if equals else name for name, equals, path in pairs
    ]


_File = Annotated[str, _relative_unless()]
_Samples = Annotated[str, _relative_unless(_NAMED_SET.match)]
_Policy = Annotated[str, _relative_unless(re.compile(r"[\w-]+").fullmatch)]
_Normalisation = Annotated[str | float | list[float], AfterValidator(_words), _relative_unless(_numbers)]
# YAML reads 1e-3 as text.
_Number = Annotated[float, Field(strict=False)]


_WRITTEN: dict[str, Any] = {
    "data": _Samples,
    "controls": _Samples,
    "policy": _Policy,
    "mean": _Normalisation,
    "std": _Normalisation,
    "budget": Annotated[str | float, AfterValidator(_words)],
    "attacks": Annotated[str | list[str], AfterValidator(_words)],
    "layers": Annotated[str | list[str], AfterValidator(_words)],
    "input_shape": Annotated[str | list[int], AfterValidator(_words)],
    "format": Annotated[str | list[str], AfterValidator(_formats)],
    "dp": Annotated[str | list[int | _Number], AfterValidator(_words)],
}
"""How options are written that are more than their type says."""
_BY_TYPE: dict[Any, Any] = {Path: _File, float: _Number}
"""How all others are written, where it is not as the type of the option."""


_KEYS = {one.key: one for one in options()}
"""All that a file may say."""


def _written(field: Option) -> Any:
    written = _WRITTEN.get(field.name) or _BY_TYPE.get(field.type, field.type)
    return Annotated[written, Field(description=field.option.plain)]


def _typed_dict() -> Any:
    make: Any = TypedDict
    made = make("Config", {one.name: _written(one) for one in _KEYS.values()}, total=False)
    made.__doc__ = (
        "Options of `model-audit scan`, by their names without the dashes in front. All may be left out."
    )
    settings = ConfigDict(extra="forbid", strict=True, alias_generator=_key, title="audit.yaml")
    return with_config(settings)(made)


CONFIG: TypeAdapter[dict[str, Any]] = TypeAdapter(_typed_dict())
"""Validates what a file holds, in the context of its folder."""


def load_config(path: Path) -> dict[str, Any]:
    """Read a file of options.

    Returns
    -------
    dict[str, Any]
        What the file says and nothing else, by the names of parameters (`input_shape`). Paths are relative to the
        working directory, and lists are joined by commas, as on the command line.

    Raises
    ------
    ConfigError
        When the file cannot be read, has an unknown key, or a value of the wrong type. Names the file, the key,
        and the nearest key that exists.
    """
    start = "start from what `model-audit init CHECKPOINT` writes"
    read = read_mapping(path, "a file of options", start, ConfigError)
    content = {str(name): value for name, value in read.items()}
    try:
        return CONFIG.validate_python(content, context=path.parent)
    except ValidationError as error:
        raise _explain(path, content, error) from error


def _explain(path: Path, content: Mapping[str, Any], error: ValidationError) -> ConfigError:
    """Name one key; a misspelt one explains more than a wrong value."""
    details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    name = str(details[0]["loc"][0])
    if details[0]["type"] == "extra_forbidden":
        return ConfigError(f"{path}: unknown key {name!r}", suggest(name, _KEYS))
    if content[name] is None:
        return ConfigError(f"{path}: {name} has no value", "give it one, or leave the key out")
    said = " or ".join(detail["msg"].lower() for detail in details if detail["loc"][0] == name)
    return ConfigError(f"{path}: {name} is {content[name]!r}: {said}", "correct that value")
