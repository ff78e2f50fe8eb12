"""What a report says of attacks: those that ran, and those that did not."""

import pytest

from audit.battery import AttackFailed, AttackSkipped, Outcome
from audit.diagnostics.measure import Measurements
from audit.pipeline.attack_entries import attack_entry
from audit.pipeline.facts import attack_fact
from audit.pipeline.scores import score
from audit.report.outcomes import AttackReport
from tests.pipeline.outcomes import ATTACKS, MEMBERS, noise, planted, ran


def entry_of(outcome: Outcome, *all_outcomes: Outcome) -> AttackReport:
    scores = score(all_outcomes or [outcome], planted().truth, 0.4, 0.05, complete=True)
    return attack_entry(outcome, attack_fact(outcome, Measurements()), scores)


def test_an_attack_that_ran_is_described_with_what_it_found() -> None:
    data = planted()
    outcome = ran("kkt-margin", data.copies(0, 1, 2), note="time ended")
    entry = entry_of(outcome)
    assert (entry.id, entry.status, entry.source, entry.reason) == (
        "kkt-margin",
        "ran",
        "weights",
        "time ended",
    )
    assert (entry.candidates, entry.recovered, entry.confirmed) == (3, 3, 3)
    assert (entry.restarts, entry.steps, entry.seconds, entry.relative_loss) == (2, 10, 1.23, 0.1)
    assert entry.history == [(0, 1.0), (10, 0.1)]
    assert entry.splitting is None


def test_splitting_is_compared_before_and_after() -> None:
    data = planted()
    outcome = ran("kkt-margin", data.copies(0, 1, 2), before=data.copies(0))
    found = entry_of(outcome).splitting
    assert found is not None
    assert (found.rounds, found.splits) == (2, 3)
    assert (found.relative_loss_before, found.relative_loss_after) == (0.4, 0.1)
    assert (found.recovered_before, found.recovered_after) == (1, 3)
    assert (found.confirmed_before, found.confirmed_after) == (1, 3)
    assert (found.gradient, found.eigenvalue) == (1e-3, -1e-2)
    assert len(found.similarity_before) == len(found.similarity_after) == MEMBERS


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (AttackSkipped(ATTACKS["gradient"], "no gradient"), "skipped"),
        (AttackFailed(ATTACKS["gradient"], "out of memory", 2.0), "failed"),
    ],
)
def test_an_attack_that_found_nothing_says_why(outcome: Outcome, status: str) -> None:
    entry = entry_of(outcome, ran("kkt-margin", noise(2)), outcome)
    assert (entry.status, entry.reason, entry.source) == (status, outcome.reason, "gradient")
    assert (entry.recovered, entry.confirmed, entry.relative_loss) == (0, 0, None)
