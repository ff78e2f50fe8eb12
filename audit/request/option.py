"""Options as data: what the command line, the configuration file and the documentation say of a field.

A field of a group of options is annotated with an `Option`, and nothing about it is stated anywhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from audit.request.budget import parse_budget

_KINDS: dict[Any, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    bool: (bool, "True or False"),
}
"""By type of a field, what its values are in code, and in words."""


@dataclass(frozen=True)
class Option:
    """What a field means, for users."""

    help: str
    """A sentence that stands alone; words to type are in backticks."""
    metavar: str = ""
    """Stands for the value; empty for switches."""
    default: str = ""
    """What leaving it out amounts to, where the default of the field does not say so."""

    @property
    def plain(self) -> str:
        """The sentence without backticks, for terminals."""
        return self.help.replace("`", "")


@dataclass(frozen=True)
class Field:
    """A field that is an option."""

    name: str
    """Also that of the option, with underscores."""
    type: Any
    """Of its value, without None."""
    optional: bool
    """Whether it may be None."""
    default: Any
    """`dataclasses.MISSING` where it must be given."""
    option: Option
    """What it means, for users."""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is dataclasses.MISSING

    @property
    def key(self) -> str:
        """Its name on the command line, without the dashes in front, and in a configuration file."""
        return self.name.replace("_", "-")

    @property
    def text(self) -> Any:
        """The default as users write it: a number, text, switch, or None."""
        if self.required:
            return None
        return str(self.default) if isinstance(self.default, Path) else self.default

    def read(self, value: Any) -> Any:
        """Turn what a user may write into a value of the field.

        Paths and times may be text, texts may be numbers or paths, and several words may be one text with commas or
        a sequence.

        Raises
        ------
        UsageError
            When a time is not one.
        TypeError
            When a number or a switch is not one, or what may not be left out is None.
        """
        if value is None:
            if not self.optional:
                raise TypeError(f"{self.name} is None, expected a value")
            return None
        if self.type is Path:
            return Path(value)
        if get_origin(self.type) is tuple:
            return tuple(split([value] if isinstance(value, str) else value))
        if self.type is str and not isinstance(value, str):
            several = isinstance(value, Sequence)
            return ",".join(map(str, value)) if several else str(value)
        if self.name == "budget" and isinstance(value, str):
            return parse_budget(value)
        if self.type in _KINDS and not isinstance(value, _KINDS[self.type][0]):
            raise TypeError(f"{self.name} is {value!r}, expected {_KINDS[self.type][1]}")
        return value


@cache
def fields_of(group: type) -> tuple[Field, ...]:
    """Read the options from a group of them, a dataclass, in their order."""
    hints = get_type_hints(group, include_extras=True)
    return tuple(_field(field.name, hints[field.name], field.default) for field in dataclasses.fields(group))


def _field(name: str, hint: Any, default: Any) -> Field:
    kind, option = get_args(hint)
    kinds = [part for part in get_args(kind) if part is not NoneType]
    optional = NoneType in get_args(kind)
    return Field(name, kinds[0] if optional else kind, optional, default, option)


def split(texts: Sequence[str]) -> Iterator[str]:
    """Split texts at commas, without empty words."""
    for text in texts:
        yield from (word.strip() for word in text.split(",") if word.strip())
