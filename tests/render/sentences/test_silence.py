from typing import Any

import pytest

from audit.render.sentences.silence import uninformative

LITTLE: dict[str, Any] = {
    "attack": "kkt-margin",
    "true": 0.95,
    "described": False,
    "reached": 0.9,
    "limit": 0.25,
    "initial": False,
    "confirmed": None,
    "samples": None,
    "power": 0.1,
}
RAN = {"confirmed": 1, "samples": 40}


@pytest.mark.parametrize(
    ("changes", "what", "todo"),
    [
        ({}, "say little", "run a positive control"),
        (RAN, "say little", "with --initial"),
        (RAN | {"initial": True}, "say little", "this very training began from"),
        ({"true": 0.1, "described": True}, "not get as far", "more time"),
        ({"true": None, "reached": None, "attack": ""}, "nothing shows", "more time"),
        ({"true": 0.01}, "say little", "run a positive control"),
    ],
)
def test_the_first_sentence_says_what_is_missing_and_what_to_do(
    changes: dict[str, Any], what: str, todo: str
) -> None:
    first = uninformative(**LITTLE | changes).split(". ")[0]
    missing, do = first.split(": ")
    assert what in missing
    assert todo in do


def test_numbers_follow() -> None:
    said = uninformative(**LITTLE | RAN)
    assert all(number in said for number in ("95 %", "25 %", "1 of 40", "10 %"))
    assert "any samples would do" in uninformative(**LITTLE | {"true": 0.01})
    assert "diverged" in uninformative(**LITTLE | {"true": 0.01, "described": True, "reached": None})
