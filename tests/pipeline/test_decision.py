"""Who came back, and the verdict that follows, with attacks whose results are planted."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from audit.diagnostics.measure import Measurements
from audit.pipeline.decision import compare, decide
from audit.request.check import Inputs
from audit.verdict.policy import MatchRule
from tests.pipeline.outcomes import noise, planted, ran
from tests.verdict.cases import ADA, policy


def inputs(**suppressions: Any) -> Inputs:
    data = planted()
    found = SimpleNamespace(
        truth=data.truth,
        data=SimpleNamespace(members=data.members, controls=data.controls),
        weights=SimpleNamespace(gradient=None, initial=None),
        rule=MatchRule(),
        policy=policy(),
        accepted=SimpleNamespace(suppressions=suppressions),
    )
    return cast(Inputs, found)


@pytest.mark.parametrize(("found", "verdict"), [(planted().copies(0, 3), "FAIL"), (noise(3), "PASS")])
def test_what_came_back_decides(found: Any, verdict: str) -> None:
    measured = Measurements(stationarity={"kkt-margin": 0.1})
    compared = compare(inputs(), [ran("kkt-margin", found)], measured, complete=True)
    kinds, judgement = decide(inputs(), compared.samples, compared.facts)
    confirmed = [sample.id for sample in compared.samples if sample.confirmed]
    assert confirmed == (["0", "3"] if verdict == "FAIL" else [])
    assert compared.facts.confirmed == compared.scores.pooled.confirmed_count == len(confirmed)
    assert [one.kind for one in kinds] == ["confirmed-reconstruction"] * len(confirmed)
    assert judgement.verdict == verdict
    assert compared.facts.positive_control is None


def test_what_was_accepted_does_not_decide() -> None:
    compared = compare(
        inputs(),
        [ran("kkt-margin", planted().copies(0))],
        Measurements(stationarity={"kkt-margin": 0.1}),
        complete=True,
    )
    accepted = inputs(**{"confirmed-reconstruction/0": ADA})
    (found,), judgement = decide(accepted, compared.samples, compared.facts)
    assert (found.suppression, judgement.verdict) == (ADA, "PASS")
