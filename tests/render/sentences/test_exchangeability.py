"""How members compare with controls, in words."""

from typing import get_args

from audit.render.sentences.exchangeability import ASPECTS, controls_differ, differ_little, roles_exchanged
from audit.scoring.exchangeability import Aspect


def test_every_aspect_has_words() -> None:
    assert tuple(ASPECTS) == get_args(Aspect)


def test_the_first_sentence_says_what_to_do() -> None:
    told = controls_differ(["mean", "noise"], 0.0004, explained=2, confirmed=3, confirmable=30, members=40)
    first, _, rest = told.partition(". ")
    assert first == "Members and controls differ: give controls from the same source as the training data"
    assert "by their mean value and how near random noise comes to them (p-value 0.0004)" in rest
    assert "may explain 2 of 3 confirmed training samples" in rest
    silent = controls_differ(["classes"], 0.0004, explained=0, confirmed=0, confirmable=7, members=40)
    assert "no more than 7 of 40 training samples could have been confirmed" in silent


def test_members_that_are_confirmed_too_are_told() -> None:
    told = roles_exchanged(count=7, controls=50, confirmed=2)
    assert told.startswith("Did you swap --data and --controls? ")
    assert "7 of 50 controls are confirmed, against 2 of the members" in told
    assert "against" not in roles_exchanged(count=7, controls=50, confirmed=0)


def test_a_small_difference_says_what_stands() -> None:
    some = differ_little(["spread"], 0.002, confirmed=3, confirmable=40, members=40)
    assert some.endswith("what was confirmed (3 training samples) still is.")
    none = differ_little(["spread"], 0.002, confirmed=0, confirmable=39, members=40)
    assert none.endswith("39 of 40 training samples could still have been confirmed.")
