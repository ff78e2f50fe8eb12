"""When a positive control runs, and what is said of it, on planted samples; whole ones run in tests/diagnostics."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from audit.diagnostics.control_model import draw
from audit.diagnostics.measure import Measurements
from audit.pipeline.decision import compare
from audit.pipeline.positive_control import expected, is_wanted, measure, sureness
from audit.pipeline.session import Session
from audit.request.check import Inputs
from audit.request.request import Request
from audit.verdict.policy import MatchRule
from tests.pipeline.outcomes import MEMBERS, noise, planted, ran
from tests.planted import observation, small_network
from tests.verdict.cases import policy

DRAWN = 4


def inputs(threshold: float) -> Inputs:
    stands_in: Any = SimpleNamespace(
        truth=planted().truth, rule=MatchRule(metric="ssim", threshold=threshold, fdr=0.05)
    )
    return cast("Inputs", stands_in)


@pytest.mark.parametrize(("threshold", "confirmed"), [(0.4, 3), (0.999999, 0)])
def test_what_came_back_is_counted_as_for_members(threshold: float, confirmed: int) -> None:
    drawn = draw(planted().truth.controls, None, DRAWN, 2, seed=0)
    outcome = ran("kkt-margin", drawn.images[:3] + 0.01 * noise(3))
    model: Any = SimpleNamespace(noise=(0.1, 0.2), margin=5.0)
    found = measure("weights", drawn, model, [outcome], inputs(threshold), (1.0, 3.14159), "trained early")
    assert (found.images, found.controls) == (DRAWN, len(planted().truth.controls) - DRAWN)
    assert found.confirmed == confirmed
    assert found.power == confirmed / DRAWN
    assert found.interval[0] <= found.power <= found.interval[1]
    assert (found.source, found.labels, found.note) == ("weights", "random", "trained early")
    assert (found.training_seconds, found.seconds, found.noise) == (1.0, 3.14, [0.1, 0.2])
    assert found.margin == 5.0


def test_an_attack_that_returned_nothing_has_no_power() -> None:
    drawn = draw(planted().truth.controls, None, DRAWN, 2, seed=0)
    found = measure("weights", drawn, None, [], inputs(0.4), (1.0, 1.0), "")
    assert (found.recovered, found.confirmed, found.power) == (0, 0, 0.0)


NEEDED = {"informative": True}
REQUIRED = {"positive_control": True}
SOLVED, OPEN = 0.1, 0.9
"""Loss at the true samples: silence is informative in the first case only."""


def session(require: dict[str, Any], controls: int = 120, **options: Any) -> Session:
    data, nothing = planted(), cast("Any", None)
    truth = replace(data.truth, controls=data.truth.controls[:controls])
    given: Any = SimpleNamespace(
        truth=truth,
        data=SimpleNamespace(members=data.members, controls=data.controls),
        weights=SimpleNamespace(gradient=None, initial=None),
        rule=MatchRule(),
        policy=policy(require=require),
        accepted=SimpleNamespace(suppressions={}),
    )
    return Session(Request.of("model.pt", **options), given, nothing, lambda: 0.0, lambda: False)


def wanted(session: Session, true_loss: float, found: Any) -> tuple[bool, list[str]]:
    measured = Measurements(stationarity={"kkt-margin": true_loss})
    compared = compare(session.inputs, [ran("kkt-margin", found)], measured, complete=True)
    return is_wanted(session, compared)


@pytest.mark.parametrize(
    ("require", "true_loss", "found", "runs"),
    [
        ({}, OPEN, noise(3), False),  # it passes anyway
        (NEEDED, SOLVED, noise(3), False),
        (NEEDED, OPEN, noise(3), True),
        (REQUIRED, SOLVED, noise(3), True),
        (NEEDED, OPEN, planted().copies(0), False),  # it fails anyway
        (REQUIRED, SOLVED, planted().copies(0), False),
        (NEEDED | {"attacks": ["weight-delta"]}, OPEN, noise(3), False),  # and cannot pass anyway
    ],
)
def test_it_runs_where_the_verdict_hangs_on_it(
    require: dict[str, Any], true_loss: float, found: Any, runs: bool
) -> None:
    assert wanted(session(require), true_loss, found) == (runs, [])
    for asked in (True, False):
        assert wanted(session(require, positive_control=asked), true_loss, found) == (asked, [])


def test_too_few_controls_for_it_are_told() -> None:
    runs, notes = wanted(session(NEEDED, controls=28), OPEN, noise(3))
    assert (runs, notes) == (False, ["no positive control: it takes 29 controls at least, and 28 were given"])
    assert wanted(session(NEEDED, controls=29), OPEN, noise(3)) == (True, [])
    assert MEMBERS == 5  # of which 29 controls leave 24 besides as many


@pytest.mark.parametrize(
    ("require", "options", "text"),
    [
        ({}, {}, "2 min in all"),
        (NEEDED, {}, "2 min, and up to 5 min in all if the verdict hangs on a positive control"),
        (
            REQUIRED,
            {"budget": 60},
            "1 min, and up to 2 min 30 s in all if the verdict hangs on a positive control",
        ),
        ({}, {"positive_control": True}, "2 min, and up to 5 min in all with the positive control"),
        (REQUIRED, {"positive_control": False}, "2 min in all"),
        (
            NEEDED,
            {"rounds": 2},
            "2 rounds for every attack, and as many again if the verdict hangs on a positive control",
        ),
        ({}, {"rounds": 1}, "1 round for every attack in all"),
    ],
)
def test_the_whole_time_is_told_in_advance(
    require: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    assert expected(session(require, **options)) == text


def test_no_positive_control_is_announced_where_there_are_too_few_controls_for_it() -> None:
    assert expected(session(NEEDED, controls=23)) == "2 min in all"


@pytest.mark.parametrize("labelled", [True, False])
def test_a_network_is_as_sure_as_of_half_of_its_members(labelled: bool) -> None:
    network = small_network(3, 2, "none", inputs=6, dtype=torch.float32)
    rows = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = network.forward(rows).sort(1).values
    margins = outputs[:, -1] - outputs[:, -2]
    labels = network.forward(rows).argmax(1)
    wrong = (labels + 1) % 3
    given = wrong.numpy() if labelled else None
    truth: Any = SimpleNamespace(members=rows.numpy(), labels=given)
    found = sureness(observation(network), truth)
    if labelled:
        assert found < 0  # it is sure of something else
    else:
        assert found == pytest.approx(float(margins.median()))
