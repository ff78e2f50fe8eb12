"""Options as data."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from audit.request.option import Field, Option, fields_of, split
from audit.request.request import Request

WHERE = Option("Where to look, as `here`.", "DIR")


@dataclass(frozen=True)
class Group:
    """Some options."""

    folder: Annotated[Path, WHERE]
    other_folder: Annotated[Path | None, WHERE] = None
    words: Annotated[tuple[str, ...], WHERE] = ()
    loud: Annotated[bool, Option("Say it loudly.")] = False


def test_fields_are_read_from_annotations() -> None:
    folder, other, words, loud = fields_of(Group)
    assert folder == Field("folder", Path, False, dataclasses.MISSING, WHERE)
    assert (folder.required, folder.text) == (True, None)
    assert (other.type, other.optional, other.key, other.required) == (Path, True, "other-folder", False)
    assert (words.type, words.read("a, b,,c")) == (tuple[str, ...], ("a", "b", "c"))
    assert (loud.type, loud.text) == (bool, False)
    assert folder.read("here") == Path("here")
    assert other.read(None) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "a", "seed is 'a', expected a whole number"),
        ("seed", 1.5, "seed is 1.5, expected a whole number"),
        ("threshold", "a", "threshold is 'a', expected a number"),
        ("redact", "no", "redact is 'no', expected True or False"),
        ("seed", None, "seed is None, expected a value"),
        ("policy", None, "policy is None, expected a value"),
    ],
)
def test_values_of_the_wrong_type_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Request.of("model.pt", **{name: value})


def test_numbers_may_be_of_numpy() -> None:
    request = Request.of("model.pt", seed=np.int64(3), threshold=np.float32(0.5), budget=60)
    assert (request.attack.seed, request.verdict.threshold, request.attack.budget) == (3, 0.5, 60)


def test_terminals_get_no_backticks() -> None:
    assert WHERE.plain == "Where to look, as here."


def test_words_are_split_at_commas() -> None:
    assert list(split(["a,b", " c ", ""])) == ["a", "b", "c"]
