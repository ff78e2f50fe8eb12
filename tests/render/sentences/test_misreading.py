"""What speaks against a reading, in words; the sentences themselves are in the golden file of findings."""

from typing import get_args

import pytest

from audit.diagnostics.changes import changes
from audit.render.sentences.misreading import hint, remedy
from audit.report.reading import ChangeKind, Fit, Reading, Trial
from tests.diagnostics.memorised import images, table


def test_every_change_that_is_tried_has_its_words() -> None:
    kinds = set()
    for memorised in (images(steps=0), table(steps=0)):
        for change in changes(memorised.network, memorised.truth, "abcd"):
            assert remedy(change.kind, change.value)
            kinds.add(change.kind)
    assert kinds == set(get_args(ChangeKind))


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("activation", "tanh", "pass --activation tanh"),
        ("layout", "hwc", "pass --layout hwc"),
        ("order", "a,c,b", "pass --layers a,c,b"),
        ("normalisation", "swapped", "exchange --mean and --std"),
    ],
)
def test_an_option_is_named_where_there_is_one(kind: ChangeKind, value: str, words: str) -> None:
    assert remedy(kind, value) == words


def test_inspect_names_the_change_too() -> None:
    members = Fit(count=4, confidence=0.9)
    change = Trial(what="layout", value="hwc", count=4, scaled_loss=0.1, mends=True)
    assert hint(Reading(members=members)) == ""
    assert hint(Reading(members=members, mended_by=change)) == (
        "It knows its members far better otherwise: pass --layout hwc."
    )
