"""YAML files that people write by hand, and one line for whatever is wrong with one.

Unknown keys, missing keys and wrong values are named with the file and, where one comes close, the key or value
that was probably meant. A key given twice is refused, and dates stay text until whoever asked for one reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audit.errors import AuditError, UsageError, suggest

_Model = TypeVar("_Model", bound=BaseModel)


def read_yaml(path: Path, error: type[AuditError] = UsageError) -> Any:
    """Read a YAML file; an empty one is None.

    Parameters
    ----------
    path:
        Of the file, UTF-8.
    error:
        Raised with one line when it cannot be read, is no YAML, or gives a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as problem:
        what = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise error(f"{path}: cannot be read: {what}", "give a YAML file of text") from problem
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(problem, "problem", None) or "unreadable characters"
        raise error(f"{where}: not valid YAML: {what}", "correct that line") from problem
    except (ValueError, RecursionError) as problem:  # of a tag such as !!int, or of too many brackets
        what = "nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        raise error(f"{path}: not valid YAML: {what}", "write plain keys and values") from problem


def read_mapping(path: Path, what: str, start: str, error: type[AuditError] = UsageError) -> dict[str, Any]:
    """Read a YAML file that holds keys and values.

    Parameters
    ----------
    path:
        Of the file.
    what:
        What the file is, as in `a policy`.
    start:
        What to do when it is something else, such as where to find an example.
    error:
        Raised with one line.
    """
    content = read_yaml(path, error)
    if not isinstance(content, dict):
        raise error(f"{path}: {what} is a mapping of keys to values, and this is {kind(content)}", start)
    return content


def validate(
    model: type[_Model], content: object, where: str, error: type[AuditError] = UsageError
) -> _Model:
    """Turn content into a model, or tell in one line what is wrong with it.

    Parameters
    ----------
    model:
        With `extra="forbid"`; otherwise unknown keys pass.
    content:
        As it was read.
    where:
        The file, and the entry if it holds several.
    error:
        Raised. Of several mistakes, an unknown key is told first and a missing one last, for a misspelt key is
        also a missing one.
    """
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        order = {"extra_forbidden": 0, "missing": 2}
        details = min(problem.errors(), key=lambda detail: order.get(detail["type"], 1))
    raise error(*_told(details, model, where))


def kind(content: object) -> str:
    """Say what was found in place of what was expected: `empty`, or `a list`."""
    return "empty" if content is None else f"a {type(content).__name__}"


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, where YAML would silently keep the last one and drop a limit."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", node.value[index][0].start_mark
                )
        return super().construct_mapping(node, deep)


# YAML makes dates of what looks like one, and a traceback of 2026-02-30.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _told(details: ErrorDetails, model: type[BaseModel], where: str) -> tuple[str, str]:
    """Problem and remedy."""
    path = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        known = _annotation(model, details["loc"][:-1]).model_fields
        return f"{where}: unknown key {path!r}", suggest(str(details["loc"][-1]), known)
    if details["type"] == "missing":
        return f"{where}: the key {path!r} is missing", "add it"
    problem = (
        f"{where}: {path} is {details['input']!r}: {details['msg'].lower().removeprefix('value error, ')}"
    )
    if details["type"] == "literal_error" and isinstance(details["input"], str):
        return problem, suggest(details["input"], _choices(_annotation(model, details["loc"])))
    return problem, "correct that value"


def _annotation(model: Any, path: Iterable[int | str]) -> Any:
    """Type that a model and its parts state for the value at a path, whose indices are passed over."""
    found = model
    for part in path:
        if part in getattr(found, "model_fields", ()):
            found = found.model_fields[part].annotation
            found = next((inner for inner in _within(found) if _is_model(inner)), found)
    return found


def _within(annotation: Any) -> Iterator[Any]:
    """A type and all types in it, as the items of a list."""
    yield annotation
    for inner in get_args(annotation):
        yield from _within(inner)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _choices(annotation: Any) -> list[str]:
    return [
        str(word) for inner in _within(annotation) if get_origin(inner) is Literal for word in get_args(inner)
    ]
