"""What a user reads of an error."""

import pytest

from audit import errors
from audit.errors import AuditError, first_line, suggest

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AuditError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_one_line_with_what_to_do(kind: type[AuditError]) -> None:
    found = kind("fc1.weight has\n  no values", "give some")
    assert isinstance(found, AuditError)
    assert str(found) == "fc1.weight has no values; give some"
    assert (found.problem, found.remedy) == ("fc1.weight has\n  no values", "give some")


def test_the_nearest_word_is_suggested_and_all_are_listed() -> None:
    assert suggest("relaese", ["release", "research"]) == (
        "did you mean 'release'? (known are release, research)"
    )
    assert suggest("xyz", ["release", "research"]) == "known are release, research"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (MemoryError(), "MemoryError"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
    ],
)
def test_the_first_line_of_any_error(error: BaseException, line: str) -> None:
    assert first_line(error) == line
