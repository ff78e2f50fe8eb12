"""Options as data."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from audit.request.option import Field, Option, fields_of, split

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


def test_terminals_get_no_backticks() -> None:
    assert WHERE.plain == "Where to look, as here."


def test_words_are_split_at_commas() -> None:
    assert list(split(["a,b", " c ", ""])) == ["a", "b", "c"]
