"""What `tests/verdict/test_policy.py` does not show: the same lines for any model, and for entries of a list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from audit.errors import DataError, UsageError
from audit.yaml_file import read_mapping, read_yaml, validate


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int = 1
    colour: Literal["red", "green"] = "red"


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: list[Part] = []
    first: Part | None = None
    size: float | Literal["small", "large"] = 1.0


def write(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text", ["expires: 2026-02-30\n", "expires: 2026-12-31\n", "expires: '2026-12-31'\n"]
)
def test_dates_stay_text(tmp_path: Path, text: str) -> None:
    assert isinstance(read_yaml(write(tmp_path, text))["expires"], str)


def test_what_is_no_mapping_says_what_it_should_have_been(tmp_path: Path) -> None:
    path = write(tmp_path, "- a\n")
    assert read_yaml(path) == ["a"]
    with pytest.raises(DataError, match=r"a thing is a mapping .* this is a list; draw one"):
        read_mapping(path, "a thing", "draw one", DataError)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"parts": [{}, {"widht": 2}]},
            "here: unknown key 'parts.1.widht'; did you mean 'width'?",
        ),
        ({"first": {"colur": "red"}}, "unknown key 'first.colur'; did you mean 'colour'?"),
        (
            {"first": {"colour": "gren"}},
            "is 'gren': input should be 'red' or 'green'; did you mean 'green'?",
        ),
        ({"first": {"width": "x"}}, "first.width is 'x': input should be a valid integer"),
        ({"size": "lage"}, "size."),
        (["a"], "here: "),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_word(content: Any, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        validate(Whole, content, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("!!int x\n", "invalid literal"),
        ("!!timestamp 2026-02-30\n", "out of range"),
        ("[" * 1500, "too deeply"),
    ],
)
def test_what_yaml_itself_stumbles_over_is_one_line(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        read_yaml(write(tmp_path, text))
