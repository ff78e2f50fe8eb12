"""The fit at the members, against the matrix of all gradients by a loop of automatic differentiation."""

from dataclasses import replace
from typing import Never

import numpy as np
import pytest
import scipy
import torch

from audit.attacks.kkt_margin import margin
from audit.budget import Budget
from audit.diagnostics import stationarity as fits
from audit.diagnostics.stationarity import stationarity
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective, every_output
from tests.pairwise import pairwise
from tests.planted import LAYOUTS, Clock, columns, generator, kkt_point, plain_sum, small_network

MEMBERS = 4


def objective(network, points=1, readout=margin, non_negative=True):
    """The target is the first point, or where there are several, its difference from the last."""
    rng = generator(5)
    others = [
        network.at(network.parameters.map(lambda t: torch.randn(t.shape, generator=rng, dtype=t.dtype)))
        for _ in range(points - 1)
    ]
    target = network.parameters
    if others:
        target = target - others[-1].parameters
    return Objective(target, "weights", (network, *others), readout, non_negative, linear_readout=False)


def members(network, count=MEMBERS, seed=0):
    rows = torch.randn(count, network.inputs, generator=generator(seed), dtype=network.weights[0].dtype)
    return rows, torch.arange(count) % max(network.outputs, 2)


def dense(equation, rows, labels):
    """Gradients of all scalars as a matrix (p, n a k), and the target (p,)."""
    count = columns(equation, labels)
    found = []
    for index in range(len(rows) * count):
        weights = torch.zeros(len(rows), count, dtype=torch.float64)
        weights.view(-1)[index] = 1.0
        found.append(plain_sum(equation, Candidates(rows, weights, labels)).numpy())
    return np.stack(found, axis=1), equation.target.flatten().numpy()


def solved(matrix, target, non_negative):
    method = scipy.optimize.nnls if non_negative else scipy.linalg.lstsq
    weights = method(matrix, target)[0]
    left = target - matrix @ weights
    return weights, left @ left / (target @ target)


@pairwise(
    **LAYOUTS, activation=["relu"], points=[1, 2], readout=[margin, every_output], non_negative=[False, True]
)
def test_fit_is_that_of_the_matrix_of_all_gradients(net, points, readout, non_negative) -> None:
    equation = objective(net, points, readout, non_negative)
    rows, labels = members(net)
    matrix, target = dense(equation, rows, labels)
    expected, residual = solved(matrix, target, non_negative)
    found = stationarity(equation, rows, labels)
    assert found.weights.shape == (MEMBERS, columns(equation, labels))
    assert found.unknowns == matrix.shape[1]
    assert found.rank == np.linalg.matrix_rank(matrix, rtol=1e-6)
    assert found.residual == pytest.approx(residual, rel=1e-7, abs=1e-12)
    assert np.isfinite(found.weights).all()
    if found.rank == found.unknowns:
        np.testing.assert_allclose(found.weights.ravel(), expected, rtol=1e-5, atol=1e-7)
    if non_negative:
        assert (found.weights >= 0).all()


@pytest.mark.parametrize("activation", ["tanh", "polynomial:3", "leaky_relu:0.2"])
def test_fit_with_other_activations(activation) -> None:
    network = small_network(3, 3, "all", activation=activation)
    equation = objective(network, 2, every_output, False)
    rows, labels = members(network)
    _, residual = solved(*dense(equation, rows, labels), False)
    assert 0.0 < stationarity(equation, rows, labels).residual == pytest.approx(residual, rel=1e-7)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("non_negative", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_kkt_point_leaves_nothing_and_shows_its_weights(outputs, non_negative, dtype) -> None:
    network, planted = kkt_point(outputs)
    network = network.at(network.parameters.map(lambda tensor: tensor.to(dtype)))
    equation = objective(network, non_negative=non_negative)
    found = stationarity(equation, planted.inputs.to(dtype), planted.labels)
    exact = dtype == torch.float64
    assert 0.0 <= found.residual < (1e-20 if exact else 1e-10)
    np.testing.assert_allclose(found.weights, planted.weights, rtol=1e-9 if exact else 1e-4)
    assert found.rank == found.unknowns == len(planted)


def test_strangers_among_the_members_of_a_kkt_point_get_no_weight() -> None:
    network, planted = kkt_point()
    rows, labels = members(network, count=3)
    found = stationarity(
        objective(network), torch.cat([planted.inputs, rows]), torch.cat([planted.labels, labels])
    )
    assert found.residual < 1e-10
    np.testing.assert_allclose(found.weights[: len(planted)], planted.weights, rtol=1e-6)
    np.testing.assert_allclose(found.weights[len(planted) :], 0.0, atol=1e-6)


def test_weights_of_the_wrong_sign_are_not_used() -> None:
    network, planted = kkt_point()
    signed, positive = (
        stationarity(objective(network, non_negative=flag), planted.inputs, 1 - planted.labels)
        for flag in (False, True)
    )
    np.testing.assert_allclose(signed.weights, -planted.weights)
    assert not positive.weights.any()
    assert positive.residual == 1.0


@pytest.mark.parametrize("non_negative", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_equal_members_share_their_weight(outputs, non_negative) -> None:
    network, planted = kkt_point(outputs)
    equation = objective(network, non_negative=non_negative)
    found = stationarity(equation, planted.inputs.repeat(3, 1), planted.labels.repeat(3))
    assert found.residual < 1e-10
    assert (found.rank, found.unknowns) == (len(planted), 3 * len(planted))
    np.testing.assert_allclose(found.weights, planted.weights.repeat(3, 1) / 3, rtol=1e-3)


@pytest.mark.parametrize("non_negative", [False, True])
def test_more_unknowns_than_parameters(non_negative) -> None:
    network = small_network(3, 2, "first")
    equation = objective(network, 2, every_output, non_negative)
    rows, labels = members(network, count=15)
    found = stationarity(equation, rows, labels)
    _, residual = solved(*dense(equation, rows, labels), non_negative)
    assert found.unknowns == 90 > equation.size == found.rank
    assert found.residual == pytest.approx(residual, abs=1e-10)
    assert np.isfinite(found.weights).all()


@pytest.mark.parametrize("non_negative", [False, True])
def test_a_random_network_is_far_from_stationary(non_negative) -> None:
    network = small_network(1, 2, "first", inputs=40, hidden=50)
    assert stationarity(objective(network, non_negative=non_negative), *members(network)).residual > 0.5


@pytest.mark.parametrize("non_negative", [False, True])
def test_members_without_a_gradient_get_no_weight(non_negative) -> None:
    network = small_network(1, 2)
    equation = objective(network, non_negative=non_negative)
    rows, labels = members(network)
    with_zeros = torch.cat([rows, torch.zeros(2, network.inputs, dtype=rows.dtype)])
    found = stationarity(equation, with_zeros, torch.cat([labels, labels[:2]]))
    without = stationarity(equation, rows, labels)
    assert (found.rank, found.residual) == (without.rank, pytest.approx(without.residual))
    np.testing.assert_allclose(found.weights[:MEMBERS], without.weights, atol=1e-9)
    assert np.abs(found.weights[MEMBERS:]).max() < 1e-9
    silent = stationarity(equation, with_zeros[MEMBERS:], labels[:2])
    assert (silent.rank, silent.residual) == (0, pytest.approx(1.0))
    assert not silent.weights.any()


def test_the_head_may_need_no_labels() -> None:
    network = small_network(3)
    equation = objective(network, 1, every_output, False)
    rows, labels = members(network)
    found, labelled = stationarity(equation, rows, None), stationarity(equation, rows, labels)
    assert found.residual == labelled.residual
    assert np.array_equal(found.weights, labelled.weights)


@pytest.mark.parametrize(("non_negative", "limit"), [(False, "MOST_UNKNOWNS"), (True, "MOST_NON_NEGATIVE")])
def test_nothing_is_measured_above_the_limit(non_negative, limit, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network()
    equation = objective(network, 2, margin, non_negative)
    rows, labels = members(network)
    for name in ("MOST_UNKNOWNS", "MOST_NON_NEGATIVE"):
        monkeypatch.setattr(fits, name, 2 * MEMBERS if name == limit else 0)
    assert stationarity(equation, rows, labels).unknowns == 2 * MEMBERS
    monkeypatch.setattr(fits, limit, 2 * MEMBERS - 1)
    monkeypatch.setattr(fits, "GradientMap", None)  # what measuring begins with
    assert stationarity(equation, rows, labels) is None


# Step by step


def plenty(tick=0.0):
    return Budget(100.0, Clock(tick=tick))


def step_by_step(equation, rows, labels, budget, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fits, "MOST_NON_NEGATIVE", 0)
    return stationarity(equation, rows, labels, budget)


@pairwise(**LAYOUTS, activation=["relu"], readout=[margin, every_output], non_negative=[False, True])
def test_step_by_step_reaches_the_exact_fit(
    net, readout, non_negative, monkeypatch: pytest.MonkeyPatch
) -> None:
    equation = objective(net, 1 if readout is margin else 2, readout, non_negative)
    rows, labels = members(net)
    monkeypatch.setattr(fits, "PROGRESS", 1e-13)
    exact = stationarity(equation, rows, labels)
    found = step_by_step(equation, rows, labels, plenty(), monkeypatch)
    assert (exact.steps, found.rank, found.unknowns) == (None, None, exact.unknowns)
    assert found.steps is not None
    assert exact.residual <= found.residual + 1e-9
    assert found.residual == pytest.approx(exact.residual, rel=1e-4, abs=1e-8)
    assert exact.converged
    if exact.rank == exact.unknowns:
        np.testing.assert_allclose(found.lengths, exact.lengths, rtol=0.05, atol=0.01)
    if non_negative:
        assert (found.weights >= 0).all()


@pytest.mark.parametrize("outputs", [1, 3])
def test_step_by_step_at_a_kkt_point_in_single_precision(outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    network, planted = kkt_point(outputs)
    network = network.at(network.parameters.map(torch.Tensor.float))
    rows = torch.cat([planted.inputs.float(), members(network, count=3)[0]])
    labels = torch.cat([planted.labels, planted.labels[:3]])
    found = step_by_step(objective(network), rows, labels, plenty(), monkeypatch)
    assert found.residual < 1e-4
    assert found.converged
    np.testing.assert_allclose(found.weights[: len(planted)], planted.weights, rtol=0.02)
    assert found.lengths[len(planted) :].max() < 0.02 * found.lengths[: len(planted)].min()


def test_lengths_are_those_of_the_parts_of_the_sum() -> None:
    network = small_network(3, 3, "all")
    equation = objective(network, 2, every_output, False)
    rows, labels = members(network)
    found = stationarity(equation, rows, labels)
    matrix, target = dense(equation, rows, labels)
    parts = (matrix * found.weights.ravel()).reshape(len(target), MEMBERS, -1).sum(-1)
    np.testing.assert_allclose(found.lengths, np.linalg.norm(parts, axis=0) / np.linalg.norm(target))


def test_steps_end_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network(3, 3, "all")
    equation = objective(network, 2, every_output, False)
    rows, labels = members(network)
    late = step_by_step(equation, rows, labels, Budget(0.0, Clock()), monkeypatch)
    assert (late.steps, late.converged) == (1, False)
    assert stationarity(equation, rows, labels, plenty()).residual < late.residual < 1.0


def test_a_budget_leaves_small_fits_exact() -> None:
    network = small_network()
    rows, labels = members(network)
    for budget in (plenty(), Budget(0.0, Clock())):
        assert stationarity(objective(network), rows, labels, budget).steps is None


@pytest.mark.parametrize(("seconds", "exact"), [(0.6, True), (0.4, False)])
def test_an_exact_fit_begins_only_if_there_is_time_for_it(
    seconds, exact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the most unknowns take an eighth of the time."""
    network = small_network()
    rows, labels = members(network)
    monkeypatch.setattr(fits, "MOST_NON_NEGATIVE", 2 * MEMBERS)
    monkeypatch.setattr(fits, "_NO_TIME", 0)
    budget = Budget(seconds, Clock())
    assert (stationarity(objective(network), rows, labels, budget).steps is None) == exact
    signed = objective(network, non_negative=False)
    assert stationarity(signed, rows, labels, budget).steps is None


@pytest.mark.parametrize("non_negative", [False, True])
def test_step_by_step_without_a_gradient(non_negative, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network(1, 2)
    equation = objective(network, non_negative=non_negative)
    rows = torch.cat([members(network)[0], torch.zeros(2, network.inputs, dtype=torch.float64)])
    found = step_by_step(equation, rows, torch.arange(len(rows)) % 2, plenty(), monkeypatch)
    assert np.isfinite(found.weights).all()
    assert not found.lengths[MEMBERS:].any()


def test_nothing_is_measured_without_members_or_target() -> None:
    network = small_network()
    equation = objective(network)
    rows, labels = members(network)
    nothing = replace(equation, target=equation.target.map(torch.zeros_like))
    assert stationarity(equation, rows[:0], labels[:0]) is None
    assert stationarity(nothing, rows, labels) is None


def test_nothing_is_measured_where_the_solver_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(*_) -> Never:
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(fits, "nnls", gives_up)
    network = small_network()
    assert stationarity(objective(network), *members(network)) is None
    assert stationarity(objective(network, non_negative=False), *members(network)) is not None


def test_the_objective_is_left_alone() -> None:
    network = small_network()
    rows, labels = members(network)
    used = (*network.parameters.tensors, rows)
    before = [tensor.clone() for tensor in used]
    stationarity(objective(network), rows, labels)
    assert all(map(torch.equal, before, used))
    assert not any(
        tensor.requires_grad or tensor.grad is not None for tensor in (*network.parameters.tensors, rows)
    )
