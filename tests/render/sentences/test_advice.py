"""Advice fits what a report found, and says where it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from audit.render.sentences.advice import Advice, advice
from audit.report.measured import DpBound
from audit.report.schema import Report
from tests.report.factory import make_controlled, make_observed, make_report

START = "Keep the initial weights secret"
GRADIENT = "Reveal no single gradient"
EARLIER = "Stop training earlier"
DECAY = "Leave out weight decay"
SMALLER = "Train a smaller network on more samples"
TENSOR = "Use another activation, or fewer hidden units"
NOISE = "Train with differential privacy"
ONION = "Do not just remove the samples that were confirmed"


def by(attack: str, source: str, **changes: Any) -> Report:
    """The report with all confirmed members from another attack."""
    report = make_report()
    first = report.attacks[0].model_copy(update={"id": attack, "source": source} | changes)
    samples = [sample.model_copy(update={"attack": attack}) for sample in report.samples]
    return report.model_copy(update={"attacks": [first, report.attacks[1]], "samples": samples})


def titles(report: Report) -> list[str]:
    return [item.title for item in advice(report)]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (make_report(), [EARLIER, DECAY, SMALLER, NOISE, ONION]),
        (by("kkt-loss", "weights"), [DECAY, SMALLER, NOISE, ONION]),
        (by("weight-delta", "change"), [START, SMALLER, NOISE, ONION]),
        (by("gradient", "gradient"), [GRADIENT, NOISE, ONION]),
        (by("polynomial", "weights"), [SMALLER, TENSOR, NOISE, ONION]),
        (by("polynomial-gradient", "gradient"), [GRADIENT, TENSOR, NOISE, ONION]),
    ],
)
def test_measures_fit_the_attacks_that_confirmed_something(report: Report, expected: list[str]) -> None:
    assert titles(report) == expected


def test_several_attacks_are_told_apart() -> None:
    found = {item.title: item for item in advice(make_observed("update"))}
    assert list(found) == ["Reveal no single update", EARLIER, DECAY, SMALLER, NOISE, ONION]
    assert found["Reveal no single update"].why.startswith("2 confirmed samples came from gradient:")
    assert found[EARLIER].why.startswith("1 confirmed sample came from kkt-margin.")
    assert "0.3 %" in found[EARLIER].why


def test_a_network_smaller_than_its_data_is_not_called_too_large() -> None:
    report = make_report()
    small = report.model_copy(update={"model": report.model.model_copy(update={"parameters": 6 * 625})})
    assert SMALLER not in titles(small)
    (why,) = [item.why for item in advice(report) if item.title == SMALLER]
    assert "627,000 parameters, 167 for every value of the 6 images" in why


def test_stated_privacy_is_doubted_where_samples_were_confirmed() -> None:
    report = make_report()
    bound = DpBound(sigma=1.1, q=0.01, steps=100, prior=1 / 6, bound=0.25)
    stated = report.model_copy(update={"diagnostics": report.diagnostics.model_copy(update={"dp": bound})})
    assert NOISE not in titles(stated)
    (item,) = [item for item in advice(stated) if item.title.startswith("Check")]
    assert "25.0 %" in item.why


FIRST_CONTROLS = "Give controls"
CONTROLS, TIME, INITIAL, POWER = (
    "Give more controls",
    "Give more time",
    "Give the initial weights, if others have them",
    "Measure what these attacks would find",
)


def stuck(report: Report) -> Report:
    attack = report.attacks[0].model_copy(update={"relative_loss": 0.2})
    return report.model_copy(update={"attacks": [attack, *report.attacks[1:]]})


def late(report: Report) -> Report:
    changes = {"status": "failed", "reason": "the time ended before its first step"}
    attack = report.attacks[0].model_copy(update=changes)
    return report.model_copy(update={"attacks": [attack, *report.attacks[1:]]})


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (late(make_report(confirmed=0)), [TIME, INITIAL, POWER]),
        (make_report(confirmed=0), [INITIAL, POWER]),
        (stuck(make_report(confirmed=0)), [TIME, INITIAL, POWER]),
        (make_report(confirmed=0, controls=0), [FIRST_CONTROLS, INITIAL]),
        (make_report(confirmed=0, controls=30), [CONTROLS, INITIAL, POWER]),
        (make_controlled(), [INITIAL]),
        (make_controlled().model_copy(update={"attacks": make_report().attacks[:1]}), []),
    ],
)
def test_without_a_confirmed_member_there_is_no_measure_but_a_stronger_audit(
    report: Report, expected: list[str]
) -> None:
    assert titles(report) == expected


def test_every_measure_says_why_what_and_where_from() -> None:
    reports = [
        make_report(),
        make_report(confirmed=0, controls=0),
        make_observed("gradient"),
        make_controlled(),
    ]
    for item in [item for report in reports for item in advice(report)]:
        assert isinstance(item, Advice)
        assert item.source
        assert not item.title.endswith(".")
        assert item.why.endswith(".")
        assert item.what.endswith(".")
