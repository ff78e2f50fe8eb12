"""The numbers that a verdict depends on, taken from planted outcomes."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audit.battery import AttackFailed, AttackSkipped, Outcome
from audit.diagnostics.measure import Measurements
from audit.pipeline.entries import sample_entries
from audit.pipeline.facts import attack_fact, exchange_fact, facts_of, membership_fact, power_fact
from audit.pipeline.scores import score
from audit.report.reading import Assumption, ColumnFit, Fit, Reading, Trial
from audit.verdict.facts import Facts, MembershipFact, PowerFact, ReadingFact
from tests.pipeline.outcomes import ATTACKS, CONTROLS, MEMBERS, noise, planted, ran


def summed(
    outcomes: Sequence[Outcome],
    gradient: Any = None,
    initial: Any = None,
    reading: Any = None,
) -> Facts:
    data = planted()
    scores = score(outcomes, data.truth, 0.4, 0.05, complete=True)
    samples = sample_entries(data.members, scores, data.truth)
    inputs: Any = SimpleNamespace(
        truth=data.truth,
        data=SimpleNamespace(members=data.members, controls=data.controls),
        weights=SimpleNamespace(gradient=gradient, initial=initial),
    )
    return facts_of(inputs, outcomes, scores, samples, Measurements(), reading, complete=True)


def test_what_came_back_is_counted_with_what_it_came_from() -> None:
    facts = summed([ran("kkt-margin", planted().copies(0, 1)), ran("weight-delta", planted().copies(2))])
    assert (facts.members, facts.controls) == (MEMBERS, CONTROLS)
    assert (facts.recovered, facts.confirmed, facts.null_confirmed, facts.unresolved) == (3, 3, 0, 0)
    assert facts.sources == ("weights", "change")
    assert (facts.threshold, facts.fdr, facts.similarity) == (0.4, 0.05, "SSIM")


def test_an_attack_that_confirmed_nothing_is_no_source() -> None:
    facts = summed([ran("kkt-margin", planted().copies(0)), ran("weight-delta", noise(2))])
    assert facts.sources == ("weights",)


def test_attacks_on_a_gradient_are_named_only_if_one_was_observed() -> None:
    outcomes = [ran("kkt-margin", noise(2)), AttackSkipped(ATTACKS["gradient"], "no gradient")]
    assert summed(outcomes).observed == ()
    seen = summed(outcomes, gradient=SimpleNamespace(kind="update", rank=3, highest=3))
    assert (seen.observed, seen.gradient_kind, seen.batch_rank) == (("gradient",), "update", None)


def test_more_members_than_a_gradient_shows_are_told() -> None:
    assert summed([], gradient=SimpleNamespace(kind="gradient", rank=1, highest=9)).batch_rank == 1
    assert summed([], gradient=SimpleNamespace(kind="gradient", rank=2, highest=9)).batch_rank is None


def test_attacks_on_the_change_are_named_only_if_weights_from_before_training_were_given() -> None:
    outcomes = [ran("kkt-margin", noise(2)), AttackSkipped(ATTACKS["weight-delta"], "frozen")]
    assert summed(outcomes).initial == ()
    assert summed(outcomes, initial=SimpleNamespace()).initial == ("weight-delta",)


def test_an_attack_says_how_far_it_got_and_what_the_members_leave() -> None:
    measured = Measurements(stationarity={"kkt-margin": 0.05}, freedom={"kkt-margin": 0.5})
    fact = attack_fact(ran("kkt-margin", noise(2)), measured)
    assert (fact.relative_loss, fact.true_loss, fact.adjusted_loss) == (pytest.approx(0.1), 0.05, 0.1)
    diverged = replace(ran("kkt-margin", noise(2)), losses=np.array([np.nan]))
    assert attack_fact(diverged, Measurements()).relative_loss is None


def test_the_membership_test_that_distinguishes_best_counts() -> None:
    def fit(low: float) -> Any:
        return SimpleNamespace(), SimpleNamespace(membership=SimpleNamespace(auc=0.7, interval=(low, 0.9)))

    none = SimpleNamespace(), SimpleNamespace(membership=None)
    assert membership_fact(Measurements(fits=[none])) is None
    assert membership_fact(Measurements(fits=[none, fit(0.4), fit(0.6)])) == MembershipFact(0.7, 0.6, 0.9)


def test_whether_the_network_was_trained_is_handed_on() -> None:
    assert summed([]).untrained is None
    assert summed([], reading=Reading(members=Fit(count=3, confidence=0.9), untrained=True)).untrained is True


def test_the_reading_is_summed_up() -> None:
    assert summed([]).reading is None
    assumed = [
        Assumption(what="activation", value="relu", stated=False),
        Assumption(what="normalisation", value="mean 0, std 1", stated=True),
    ]
    change = Trial(what="layout", value="hwc", count=2, right=2, scaled_loss=0.1, mends=True)
    found = summed(
        [],
        reading=Reading(
            assumed=assumed,
            members=Fit(count=3, right=1, confidence=0.9),
            controls=Fit(count=7, right=4, confidence=0.9),
            majority=0.5,
            p_surer=0.25,
            columns=ColumnFit(off=4, all=9, mean=1.0, spread=2.0),
            tried=[change, change],
            mended_by=change,
        ),
    ).reading
    assert found == ReadingFact(
        members=3,
        right=1,
        majority=0.5,
        controls=7,
        controls_right=4,
        p_surer=0.25,
        columns=9,
        columns_off=4,
        tried=2,
        change="layout",
        value="hwc",
        tried_on=2,
        mended=2,
        assumed=("activation=relu",),
    )


def test_the_positive_control_is_summed_up() -> None:
    control: Any = SimpleNamespace(images=4, confirmed=3, note="early")
    assert power_fact(control) == PowerFact(4, 3, "early")
    assert summed([]).positive_control is None


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (ran("kkt-loss", noise(1), note="time ended"), "ran", "time ended"),
        (AttackSkipped(ATTACKS["gradient"], "no gradient"), "skipped", "no gradient"),
        (AttackFailed(ATTACKS["gradient"], "out of memory", 1.0), "failed", "out of memory"),
    ],
)
def test_how_an_attack_ended(outcome: Outcome, status: str, reason: str) -> None:
    fact = attack_fact(outcome, Measurements())
    assert (fact.status, fact.reason) == (status, reason)


def test_how_members_compare_with_controls_is_summed_up() -> None:
    facts = summed([ran("kkt-margin", planted().copies(0, 1))])
    assert facts.exchangeability is not None
    assert (facts.exchangeability.aspects, facts.exchangeability.explained) == ((), ())
    assert 0.01 <= facts.exchangeability.p_value <= 1.0
    data = planted()
    scores = score([ran("kkt-margin", data.copies(0, 1))], data.truth, 0.4, 0.05, complete=True)
    samples = sample_entries(data.members, scores, data.truth)
    assert scores.exchange is not None
    told = replace(scores.exchange.compared, p_values={"mean": 0.5, "spread": 1e-4})
    half = replace(scores.exchange.weighed, stands=np.arange(MEMBERS) == 0)
    fact = exchange_fact(replace(scores.exchange, compared=told, weighed=half), samples)
    assert fact is not None
    assert (fact.p_value, fact.aspects, fact.explained) == (2e-4, ("spread",), ("1",))
    assert exchange_fact(None, samples) is None
