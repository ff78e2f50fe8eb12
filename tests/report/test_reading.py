"""How the network was read, as data."""

import pytest
from pydantic import ValidationError

from audit.report.reading import Assumption, Fit, Reading


def test_a_reading_survives_json() -> None:
    reading = Reading(
        assumed=[Assumption(what="chain", value="4-3-2", stated=False)],
        members=Fit(count=4, right=3, accuracy=0.75, loss=0.2, confidence=0.9),
        majority=0.5,
        p_chance=0.3,
    )
    assert Reading.model_validate_json(reading.model_dump_json()) == reading


def test_a_loss_that_diverged_is_no_number() -> None:
    assert Fit(count=1, loss=float("inf"), confidence=1.0).loss is None


def test_unknown_assumptions_are_refused() -> None:
    with pytest.raises(ValidationError):
        Assumption.model_validate({"what": "weather", "value": "", "stated": True})
