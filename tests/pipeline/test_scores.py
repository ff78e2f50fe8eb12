"""Which members come back, by attack and together, on planted candidates."""

import numpy as np

from audit.battery import AttackSkipped
from audit.pipeline.scores import Pool, score
from tests.pipeline.outcomes import ATTACKS, MEMBERS, SIDE, noise, planted, ran

THRESHOLD, FDR = 0.4, 0.05


def test_the_pool_remembers_whose_candidate_is_whose() -> None:
    first, second = noise(2), noise(3, seed=5)
    pool = Pool.of([ran("kkt-margin", first), ran("kkt-loss", second)], SIDE * SIDE)
    assert pool.owners == (
        ("kkt-margin", 0),
        ("kkt-margin", 1),
        ("kkt-loss", 0),
        ("kkt-loss", 1),
        ("kkt-loss", 2),
    )
    np.testing.assert_array_equal(pool.values, np.concatenate([first, second]))


def test_attacks_are_scored_apart_and_together() -> None:
    data = planted()
    outcomes = [
        ran("kkt-margin", data.copies(0, 1, 2)),
        ran("kkt-loss", data.copies(2, 3)),
        AttackSkipped(ATTACKS["gradient"], "no gradient"),
    ]
    scores = score(outcomes, data.truth, THRESHOLD, FDR, complete=True)
    assert scores.pooled.confirmed.tolist() == [True, True, True, True, False]
    assert {name: found.confirmed_count for name, found in scores.by_attack.items()} == {
        "kkt-margin": 3,
        "kkt-loss": 2,
    }
    assert scores.negative is not None
    assert scores.negative.confirmed_count == 0
    assert scores.before_splitting == {}


def test_candidates_before_splitting_are_scored_of_a_complete_audit_only() -> None:
    data = planted()
    outcome = ran("kkt-margin", data.copies(0, 1), before=data.copies(0))
    whole = score([outcome], data.truth, THRESHOLD, FDR, complete=True)
    assert whole.before_splitting["kkt-margin"].confirmed_count == 1
    assert whole.by_attack["kkt-margin"].confirmed.tolist() == whole.pooled.confirmed.tolist()
    assert score([outcome], data.truth, THRESHOLD, FDR, complete=False).before_splitting == {}


def test_without_an_attack_nothing_comes_back() -> None:
    scores = score([], planted().truth, THRESHOLD, FDR, complete=True)
    assert scores.pooled.recovered.tolist() == [False] * MEMBERS
    assert (scores.by_attack, scores.negative) == ({}, None)


def test_the_threshold_and_the_rate_are_those_that_were_given() -> None:
    data = planted()
    scores = score([ran("kkt-margin", data.copies(0))], data.truth, 0.99999, 0.2, complete=True)
    assert (scores.pooled.threshold, scores.pooled.fdr) == (0.99999, 0.2)
    assert scores.pooled.recovered_count == 0


def test_random_vectors_in_the_row_space_are_scored_of_a_complete_audit_only() -> None:
    data = planted()
    outcome = ran("kkt-margin", data.copies(0, 1), inside=data.copies(3))
    whole = score([outcome], data.truth, THRESHOLD, FDR, complete=True)
    assert whole.row_space is not None
    assert whole.row_space.confirmed.tolist() == [False, False, False, True, False]
    assert score([outcome], data.truth, THRESHOLD, FDR, complete=False).row_space is None


def test_what_an_attacker_would_pick_is_looked_at() -> None:
    data = planted()
    outcome = ran("kkt-margin", np.concatenate([data.copies(0, 1), noise(8)]))
    (first, second) = score([outcome], data.truth, THRESHOLD, FDR, complete=True).picks
    assert (first.picked, first.showing, first.members) == (MEMBERS, 2, 2)
    assert second.picked == 2 * MEMBERS
    assert score([], data.truth, THRESHOLD, FDR, complete=True).picks == ()
