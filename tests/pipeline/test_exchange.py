"""How members compare with controls, and what stands where they differ, on planted candidates."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from audit.dataset.truth import Truth
from audit.model.preprocessing import Preprocessing
from audit.pipeline.exchange import Exchange, exchange, exchangeability_entry
from audit.scoring.calibration import Calibration, calibrate
from audit.scoring.votes import Field

SIDE, MEMBERS = 12, 40
FORMAT = Preprocessing((1, SIDE, SIDE), np.full(SIDE**2, 0.5, np.float32), np.full(SIDE**2, 0.25, np.float32))


def images(seed: int, count: int, blur: float = 1.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, SIDE, SIDE))
    smooth = gaussian_filter(noise, (0, blur, blur)) if blur else noise
    return (smooth / smooth.std()).reshape(count, -1).astype(np.float32)


OURS, SAME, OTHER = images(0, MEMBERS), images(1, 200), images(2, 200, blur=0.0)


def compared(
    controls: np.ndarray,
    candidates: np.ndarray,
    labels: tuple[np.ndarray, np.ndarray] | None = None,
    members: np.ndarray = OURS,
) -> tuple[Exchange, Calibration]:
    field = Field.of(members, controls, FORMAT)
    found = calibrate(field, [field.votes(candidates)], 0.4, 0.05)
    negative = calibrate(field, [field.votes(images(3, 50, blur=0.0))], 0.4, 0.05)
    truth = Truth(members, controls, *(labels or (None, None)), FORMAT)
    return exchange(field, truth, found, negative, candidates), found


def rough(share: float) -> np.ndarray:
    """Half of the members, with noise."""
    return (OURS[::2] + share * images(4, MEMBERS // 2)).astype(np.float32)


def test_controls_of_the_same_source_leave_the_count_alone() -> None:
    found, calibration = compared(SAME, rough(0.7))
    assert not found.compared.differ
    assert found.compared.p_values.keys() == {"mean", "spread", "neighbours", "noise"}
    assert calibration.confirmed_count > 5
    assert (found.weighed.stands == calibration.confirmed).all()
    assert found.weighed.confirmable == MEMBERS


def test_other_controls_explain_what_is_no_copy() -> None:
    found, calibration = compared(OTHER, rough(0.7))
    assert found.compared.differ
    assert "neighbours" in found.compared.aspects
    assert calibration.confirmed_count > 5
    assert found.weighed.stands.sum() <= 1  # a member that is most like noise may
    assert found.weighed.confirmable < MEMBERS / 2


@pytest.mark.parametrize("share", [1e-4, 0.05])
def test_copies_and_near_copies_stand_whatever_the_controls(share: float) -> None:
    found, calibration = compared(OTHER, rough(share))
    assert found.compared.differ
    assert calibration.confirmed_count == MEMBERS // 2
    assert (found.weighed.stands == calibration.confirmed).all()


def test_labels_are_compared_where_both_have_some() -> None:
    labels = np.arange(MEMBERS) % 2, np.arange(len(SAME)) % 2
    two = images(5, 2, blur=3.0)
    ours, theirs = (values + two[which] for values, which in zip((OURS, SAME), labels, strict=True))
    found, _ = compared(theirs, ours[:5], labels, ours)
    assert found.compared.p_values["classes"] == 1.0
    assert "classes" not in compared(theirs, ours[:5], None, ours)[0].compared.p_values


def test_the_entry_counts_what_is_explained() -> None:
    assert exchangeability_entry(None, np.zeros(0, np.bool_)) is None
    for controls, explains in ((SAME, False), (OTHER, True)):
        found, calibration = compared(controls, rough(0.7))
        entry = exchangeability_entry(found, calibration.confirmed)
        assert entry is not None
        assert entry.differ == explains
        stands = int(found.weighed.stands.sum())
        assert entry.explained == (calibration.confirmed_count - stands if explains else 0)
        assert entry.p_value == found.compared.p_value
    nothing = replace(found.weighed, stands=np.zeros(MEMBERS, np.bool_))
    alike, calibration = compared(SAME, rough(0.7))
    entry = exchangeability_entry(replace(alike, weighed=nothing), calibration.confirmed)
    assert entry is not None
    assert entry.explained == 0
