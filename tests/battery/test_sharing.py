"""The rule that shares the budget: seats to parties, where every slice is a seat and losses are votes."""

import math

import numpy as np
import pytest

from audit.battery.sharing import AS_GOOD_AS_SOLVED, Progress, next_slice

SLICES = 12


def shared(losses: list[float], slices: int = SLICES) -> list[int]:
    """Slices of attacks that reach the same loss in every one of them, the first slice included."""
    counts = [1] * len(losses)
    for _ in range(slices):
        place = next_slice([Progress((loss,) * count) for loss, count in zip(losses, counts, strict=True)])
        assert place is not None
        counts[place] += 1
    return counts


def votes(loss: float) -> float:
    return -math.log(min(1.0, max(loss, AS_GOOD_AS_SOLVED)))


@pytest.mark.parametrize("seed", range(20))
def test_nobody_would_give_more_for_a_slice_than_its_owner_did(seed: int) -> None:
    """The law of D'Hondt: no attack falls by more per slice, with one more, than another does with those it got."""
    random = np.random.default_rng(seed)
    losses = random.uniform(0.0, 1.2, random.integers(2, 6)).tolist()
    counts = shared(losses)
    price = min(votes(loss) / count for loss, count in zip(losses, counts, strict=True) if count > 1)
    assert all(votes(loss) / (count + 1) <= price for loss, count in zip(losses, counts, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_a_lower_loss_never_gets_fewer_slices(seed: int) -> None:
    losses = np.sort(np.random.default_rng(seed).uniform(0.02, 0.98, 4))[::-1].tolist()
    counts = shared(losses)
    assert counts == sorted(counts)


@pytest.mark.parametrize("attacks", [1, 2, 3, 4])
def test_equals_share_alike(attacks: int) -> None:
    assert shared([0.4] * attacks) == [1 + SLICES // attacks] * attacks


def test_solved_is_no_better_than_as_good_as_solved() -> None:
    assert shared([AS_GOOD_AS_SOLVED, 0.0]) == [7, 7]


def test_who_took_no_step_yet_comes_first() -> None:
    assert next_slice([Progress((0.01,)), Progress(), Progress((0.5,))]) == 1


def test_who_failed_gets_nothing_whatever_it_reached() -> None:
    assert next_slice([Progress((0.001,), failure="no memory"), Progress((0.9,))]) == 1
    assert next_slice([Progress(failure="no memory"), Progress((0.1,), failure="diverged")]) is None
    assert next_slice([]) is None


def test_the_best_slice_counts_not_the_last() -> None:
    assert Progress((0.3, 0.9)).loss == 0.3
    assert Progress((1.7,)).loss == Progress().loss == 1.0
