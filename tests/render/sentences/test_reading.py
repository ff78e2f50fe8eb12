"""How a network was read, in words."""

import pytest

from audit.render.sentences.reading import assumptions, knowledge, lines
from audit.report.reading import Assumed, Assumption, Fit, Reading
from tests.report.factory import make_report

MEMBERS = Fit(count=40, right=40, accuracy=1.0, loss=0.00213, confidence=0.99)
CONTROLS = Fit(count=50, right=33, accuracy=0.66, loss=1.3, confidence=0.71)


def test_members_and_controls_are_compared() -> None:
    assert knowledge(Reading(members=MEMBERS, controls=CONTROLS, majority=0.125)) == (
        "As read, the network gets 40 of 40 members and 66.0 % of the controls right (mean cross-entropy 0.0021 "
        "and 1.3; always saying the most frequent label: 12.5 %)."
    )
    alone = knowledge(Reading(members=MEMBERS, majority=0.125))
    assert alone.startswith("As read, the network gets 40 of 40 members right (mean cross-entropy 0.0021; ")


def test_without_labels_it_is_how_sure_the_network_is() -> None:
    members, controls = Fit(count=40, confidence=0.987), Fit(count=50, confidence=0.712)
    assert knowledge(Reading(members=members, controls=controls)) == (
        "As read, the network gives the class it names a mean probability of 0.99 on 40 members, 0.71 on controls. "
        "Without labels, whether it is right is unknown."
    )
    assert "on 40 members. Without labels" in knowledge(Reading(members=members))


@pytest.mark.parametrize(
    ("what", "value", "words"),
    [
        ("activation", "relu", "activation relu"),
        ("normalisation", "mean 0, std 1", "inputs normalised by mean 0, std 1"),
        ("layout", "chw", "images flattened channel by channel (chw)"),
        ("order", "a, b", "layers in the order a, b"),
    ],
)
def test_what_was_not_stated_is_said_to_be_assumed(what: Assumed, value: str, words: str) -> None:
    assert assumptions([Assumption(what=what, value=value, stated=True)]) == f"Read as: {words}."
    assert assumptions([Assumption(what=what, value=value, stated=False)]) == f"Read as: {words} (assumed)."


def test_nothing_is_said_of_a_report_that_does_not_know() -> None:
    report = make_report()
    assert lines(report.model_copy(update={"reading": None})) == []
    assert assumptions([]) == ""
    assert len(lines(report.model_copy(update={"reading": Reading(members=MEMBERS)}))) == 1


def test_a_regression_is_known_by_its_correlation() -> None:
    members, controls = (
        Fit(count=count, confidence=0.5, correlation=value) for count, value in ((40, 0.981), (50, 0.1))
    )
    assert knowledge(Reading(members=members, controls=controls)) == (
        "As read, outputs of the network at 40 members correlate with their targets by 0.98, at controls by 0.10."
    )
    assert knowledge(Reading(members=members)).endswith("correlate with their targets by 0.98.")


def test_small_losses_and_missing_labels_are_said_so() -> None:
    members = MEMBERS.model_copy(update={"loss": 1e-9})
    said = knowledge(Reading(members=members, controls=Fit(count=50, confidence=0.7), majority=0.125))
    assert "(mean cross-entropy below 0.001; the controls have no labels; always" in said
