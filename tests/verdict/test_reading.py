"""What speaks for a reading, and what against it."""

from dataclasses import replace
from typing import Any

import pytest

from audit.verdict.facts import AttackFact, ReadingFact
from audit.verdict.reading import Cause, basis, misreading, unchecked
from tests.verdict.cases import CLEAN, KNOWS, LITTLE, LOST, MISREADINGS, REGRESSION, UNLABELLED, audited, read

SOLVED = AttackFact("ran", "", relative_loss=0.05, true_loss=0.9)
EXPLAINED = AttackFact("ran", "", relative_loss=0.001, true_loss=0.002)


def standing(**changes: Any) -> tuple[str | None, str | None, bool]:
    """What it rests on, what speaks against it, and whether it could not be checked: one of the three."""
    facts = audited(**changes)
    on, against, open_ = basis(facts), misreading(facts), unchecked(facts)
    assert sum(found is not None for found in (on, against, open_)) <= 1
    cause = against["cause"] if against is not None else None
    assert cause is None or isinstance(cause, str)
    return (None if on is None else on[0], cause, open_ is not None)


def test_of_what_nobody_looked_at_nothing_is_said() -> None:
    assert standing() == (None, None, False)


@pytest.mark.parametrize(("changes", "cause"), MISREADINGS)
def test_what_speaks_against_a_reading(changes: dict[str, Any], cause: Cause) -> None:
    assert standing(**changes) == (None, cause, False)


@pytest.mark.parametrize(
    ("reading", "attack", "changes", "found"),
    [
        (KNOWS, LITTLE, {}, "knows"),
        (LOST, EXPLAINED, {}, "explained"),
        (replace(LOST, change="activation", value="tanh"), EXPLAINED, {}, "explained"),
        (replace(LOST, renumbered=True), LITTLE, {}, "renumbered"),
        (replace(UNLABELLED, p_surer=0.009), LITTLE, {}, "surer"),
        (replace(UNLABELLED, p_surer=0.009, columns=30, columns_off=28), LITTLE, {}, "surer"),
        (REGRESSION, LITTLE, {}, "correlates"),
        (
            replace(REGRESSION, correlation=0.1, p_correlation=0.4),
            LITTLE,
            {"untrained": True},
            "never-trained",
        ),
        (LOST, LITTLE, {"untrained": True}, "never-trained"),
        (UNLABELLED, LITTLE, {"untrained": True}, "never-trained"),
        (replace(KNOWS, members=4, right=4, majority=0.5, p_chance=0.06), LITTLE, {}, "knows"),
    ],
)
def test_what_a_reading_rests_on(
    reading: ReadingFact, attack: AttackFact, changes: dict[str, Any], found: str
) -> None:
    assert standing(**read(reading, attack) | changes) == (found, None, False)


def test_to_be_significantly_better_than_guessing_is_not_enough() -> None:
    slightly = replace(KNOWS, members=1000, right=300, controls=1000, controls_right=290)
    assert standing(**read(slightly)) == (None, "chance", False)
    assert standing(**read(replace(slightly, right=400))) == ("knows", None, False)


def test_of_few_members_guessing_may_get_all() -> None:
    few = replace(KNOWS, members=4, right=4, majority=0.5, p_chance=0.0625, p_surer=0.06)
    assert standing(**read(few)) == (None, None, True)
    assert standing(**read(replace(few, right=2))) == (None, None, True)
    assert standing(**read(replace(few, right=3, p_surer=1e-6))) == (None, None, True)


def test_exchanged_samples_show_in_either_test_unless_members_are_right_more_often() -> None:
    swapped = replace(KNOWS, right=26, p_fewer_right=0.4, p_higher_loss=0.004)
    assert standing(**read(swapped)) == (None, "exchanged", False)
    assert standing(**read(replace(swapped, p_higher_loss=0.006))) == ("knows", None, False)
    assert standing(**read(replace(swapped, right=27))) == ("knows", None, False)
    assert standing(**read(replace(swapped, controls_right=None))) == ("knows", None, False)


@pytest.mark.parametrize(
    ("reached", "true", "found"),
    [(0.1, 0.4, True), (0.11, 0.4, False), (0.1, 0.39, False), (None, 0.9, False)],
)
def test_an_attack_that_finds_other_samples(reached: float | None, true: float, found: bool) -> None:
    attack = AttackFact("ran", "", relative_loss=reached, true_loss=true)
    assert (standing(**read(KNOWS, attack))[1] == "elsewhere") == found


def test_of_untrained_weights_only_what_was_observed_counts() -> None:
    untrained = read(LOST, SOLVED) | {"untrained": True}
    assert standing(**untrained) == ("never-trained", None, False)
    assert standing(**untrained, observed=("kkt-margin",)) == (None, "elsewhere", False)
    assert standing(**untrained, initial=("kkt-margin",)) == (None, "elsewhere", False)
    changed = read(LOST) | {"untrained": True, "initial": ("weight-delta",)}
    assert standing(**changed) == (None, "chance", False)


def test_what_was_observed_need_not_be_all_that_the_weights_hold() -> None:
    both = {"kkt-margin": SOLVED, "gradient": EXPLAINED}
    assert standing(reading=LOST, attacks=both)[1] == "elsewhere"
    assert standing(reading=LOST, attacks=both, observed=("gradient",))[0] == "explained"
    assert standing(reading=LOST, attacks=both, initial=("gradient",))[0] == "explained"
    assert standing(reading=LOST, attacks=CLEAN.attacks)[0] == "explained"


def test_the_batch_of_a_gradient_need_not_be_known() -> None:
    observed = read(LOST) | {"observed": ("gradient",)}
    assert standing(**observed) == (None, None, True)
    found = unchecked(audited(**observed, gradient_kind="update"))
    assert found is not None
    assert found["observed"] == "update"


def test_columns_may_be_off_where_the_network_knows_them() -> None:
    table = replace(KNOWS, columns=30, columns_off=30)
    assert standing(**read(table)) == ("knows", None, False)
    unknown = replace(UNLABELLED, columns=30, columns_off=7)
    assert standing(**read(unknown)) == (None, None, True)
    assert standing(**read(replace(unknown, columns_off=8))) == (None, "columns", False)
