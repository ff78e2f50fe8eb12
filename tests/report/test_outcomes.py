import math

import pytest
from pydantic import ValidationError

from audit.report.outcomes import AttackReport, Splitting
from audit.report.schema import Report
from tests.report.factory import make_report


def test_an_attack_that_diverged_can_be_reported() -> None:
    attack = AttackReport(
        id="a",
        title="A",
        reference="",
        status="failed",
        source="weights",
        reason="diverged",
        relative_loss=math.nan,
        history=[(0, 1.0), (1, math.inf), (2, math.nan)],
    )
    assert attack.relative_loss is None
    assert attack.history == [(0, 1.0)]


def test_splitting_that_diverged_can_be_reported() -> None:
    part = make_report().attacks[0].splitting
    assert part is not None
    numbers = {"relative_loss_after": math.inf, "gradient": math.nan, "eigenvalue": -math.inf}
    read = Splitting.model_validate(part.model_dump() | numbers)
    assert (read.relative_loss_after, read.gradient, read.eigenvalue) == (None, None, None)
    assert Splitting.model_validate_json(read.model_dump_json()) == read


def test_every_member_has_a_similarity_before_and_after_splitting() -> None:
    content = make_report().model_dump()
    content["attacks"][0]["splitting"]["similarity_after"].pop()
    with pytest.raises(ValidationError, match="similarity_before has 6 values and similarity_after 5"):
        Report.model_validate(content)
