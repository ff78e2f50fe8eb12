"""What a report says of the weights, made from what diagnostics measured on a planted equation."""

import numpy as np
import torch

from audit.attacks import BATTERY
from audit.battery import prepare
from audit.diagnostics.attainable import TOLERANCE
from audit.diagnostics.contribution import Contributions, Membership
from audit.diagnostics.measure import Attainable, Measurements
from audit.diagnostics.stationarity import Stationarity
from audit.equation.identifiability import Identifiability
from audit.pipeline.measured import (
    attainable_entry,
    contribution_entries,
    identifiability_entries,
    member_fields,
    spectrum,
)
from tests.pipeline.outcomes import ATTACKS
from tests.planted import observation, small_network

SEEN = observation(small_network(1, 2, "none", 6, 5, dtype=torch.float64, activation="relu"))
EQUATION = prepare(SEEN, BATTERY)[ATTACKS["kkt-loss"]]
FIT = Stationarity(0.25, np.ones((3, 1)), 3, 3, np.array([0.1, 0.5, 0.3]))
TEST = Membership(0.9, (0.8, 0.95), 0.7, np.array([0.3, 0.2, 0.1]), np.array([0.0, 0.05]), True)


def measurements(membership: Membership | None = TEST) -> Measurements:
    fitted = Contributions(FIT, np.array([3, 1, 2]), membership, ("few members",))
    attainable = Attainable(np.array([0.4 - TOLERANCE, 0.9, 0.1]), [EQUATION], complete=False)
    return Measurements(fits=[(EQUATION, fitted)], attainable=attainable)


def test_the_fit_of_an_equation_is_described_with_its_membership_test() -> None:
    (entry,) = contribution_entries(measurements(), 2)
    assert (entry.attack, entry.source, entry.residual) == ("kkt-loss", "weights", 0.25)
    assert (entry.auc, entry.auc_interval, entry.true_positives) == (0.9, (0.8, 0.95), 0.7)
    assert (entry.common_members, entry.common_controls) == ([0.3, 0.2, 0.1], [0.0, 0.05])
    assert (entry.controls, entry.notes) == (2, ["few members"])


def test_without_a_membership_test_its_fields_are_empty() -> None:
    (entry,) = contribution_entries(measurements(None), 0)
    assert (entry.auc, entry.auc_interval, entry.controls) == (None, None, 0)


def test_members_within_the_tolerance_of_the_threshold_count_as_attainable() -> None:
    entry = attainable_entry(measurements(), 0.4)
    assert entry is not None
    assert (entry.reachable, entry.members, entry.complete) == (2, 3, False)
    assert entry.attacks == ["kkt-loss"]
    assert attainable_entry(Measurements(), 0.4) is None


def test_every_member_has_its_own_figures() -> None:
    assert member_fields(measurements(), 1) == {
        "contribution": 0.5,
        "contribution_rank": 1,
        "attainable": 0.9,
    }
    assert set(member_fields(Measurements(), 0).values()) == {None}


def test_the_spectrum_is_of_the_first_layer_of_the_target() -> None:
    entry = spectrum(EQUATION)
    values = torch.linalg.svdvals(SEEN.network.weights[0])
    np.testing.assert_allclose(entry.singular_values, values.numpy(), rtol=1e-5)
    assert (entry.source, entry.kept) == ("weights", EQUATION.space.signals)


def test_a_tensor_is_described_by_attack() -> None:
    found = Identifiability(40, 20, 18, 9.0, 0.01, 0.02, directions=2, order=3, outputs=1)
    entries = identifiability_entries({ATTACKS["polynomial"]: found})
    assert entries is not None
    entry = entries["polynomial"]
    assert (entry.rank_needed, entry.rank, entry.undetermined) == (20, 18, 2)
    assert (entry.source, entry.condition, entry.residual, entry.error) == ("weights", 9.0, 0.01, 0.02)
    assert identifiability_entries({}) is None
