"""Samples from tensors: exact where the equations are, at their true scale where a bias tells it."""

import re
from dataclasses import replace

import pytest
import torch

from audit.attacks.gradient import Gradient
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.polynomial import Polynomial
from audit.attacks.polynomial_delta import PolynomialDelta
from audit.budget import Budget
from audit.solve.base import Problem, Status
from audit.solve.constraints import Box
from audit.solve.tensor import TensorDecomposition, diagonalise
from tests.planted import (
    Clock,
    at,
    batch_gradient,
    equation,
    generator,
    in_row_space,
    observation,
    reason_against,
)
from tests.polynomials import (
    decayed,
    direction_errors,
    fitted,
    gradient_sum,
    kkt_network,
    lazy_start,
    random_network,
    samples,
    stepped,
)


def solved(attack, seen):
    """Solution, and its inputs in network units."""
    objective, space = in_row_space(equation(attack, seen).objective)
    problem = Problem(objective, Box(space.basis, seen.low, seen.high), lambda count: None)
    found = TensorDecomposition().minimise(
        problem, Budget(1.0, Clock()), generator(), lambda step, loss: None
    )
    return found, space.lift(found.candidates.inputs[0])


def uniform(count, inputs, seed=5):
    return torch.rand(count, inputs, generator=generator(seed), dtype=torch.float64) - 0.2


# Stationary weights


@pytest.mark.parametrize(
    ("order", "count", "inputs"),
    [(3, 4, 4), (3, 4, 784), (3, 8, 64), (3, 12, 784), (4, 4, 64), (4, 6, 784), (4, 8, 8)],
)
def test_active_samples_of_a_kkt_point_are_exact(order, count, inputs) -> None:
    rows, weights = samples(count, inputs, order)
    network = kkt_network(rows, weights, order, units=500, starts=1500)
    found, lifted = solved(KktLoss(), observation(network))
    assert found.status is Status.SOLVED
    assert found.candidates.inputs.shape[:2] == (1, count)
    assert direction_errors(lifted, rows).max() < 1e-6
    assert found.relative_loss < 1e-16
    assert found.note.startswith("the data's tensor is determined (rank ")
    masses = found.candidates.weights[0, :, 0].abs() * lifted.norm(dim=1) ** order
    expected = weights.abs() * rows.norm(dim=1) ** order
    torch.testing.assert_close(masses.sort().values, expected.sort().values)


@pytest.mark.slow
@pytest.mark.parametrize(("order", "count"), [(3, 10), (4, 10), (4, 12)])
@pytest.mark.parametrize("inputs", [16, 64, 784])
def test_more_samples_are_exact_as_well(order, count, inputs) -> None:
    rows, weights = samples(count, inputs, order)
    found, lifted = solved(KktLoss(), observation(kkt_network(rows, weights, order, units=1000)))
    assert found.status is Status.SOLVED
    assert direction_errors(lifted, rows).max() < 1e-6


def test_in_single_precision_errors_are_roundings() -> None:
    rows, weights = samples(8, 784)
    network = kkt_network(rows, weights, 3)
    single = network.at(network.parameters.map(torch.Tensor.float))
    found, lifted = solved(KktLoss(), observation(single))
    assert found.candidates.inputs.dtype is torch.float32
    assert direction_errors(lifted.double(), rows).max() < 1e-5


def test_noise_leaves_an_error_like_the_one_stated() -> None:
    rows, weights = samples(6, 64)
    network = kkt_network(rows, weights, 3)
    rng = generator(9)
    basis = torch.linalg.svd(rows, full_matrices=False).Vh
    first, last = network.weights
    first = (
        first + 0.01 * first.std() * torch.randn(len(first), 6, generator=rng, dtype=torch.float64) @ basis
    )
    found, lifted = solved(KktLoss(), observation(at(network, [first, last])))
    assert found.status in (Status.SOLVED, Status.FINISHED)
    assert 1e-4 < direction_errors(lifted, rows).max() < 0.1


def test_more_samples_than_directions_leave_a_loss() -> None:
    """Six samples in five directions are no sum of five."""
    rows, weights = samples(6, 40)
    network = random_network(40, 300)
    gradient = gradient_sum(network, rows - rows.mean(0), weights[:, None])
    found, _ = solved(Gradient(), replace(observation(network), gradient=gradient))
    assert found.status is Status.FINISHED
    assert found.relative_loss > 1e-4


def test_an_undetermined_equation_has_no_candidates() -> None:
    rows, weights = samples(6, 64)
    found, _ = solved(KktLoss(), observation(kkt_network(rows, weights, 3, units=7)))
    assert found.status is Status.EXHAUSTED
    assert found.candidates.inputs.shape == (1, 0, 6)
    assert found.relative_loss == 1.0
    assert "undetermined" in found.note


# At random weights


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("outputs", [2, 3])
@pytest.mark.parametrize("count", [1, 5])
def test_a_batch_is_exact_at_its_true_scale_where_there_is_a_bias(order, outputs, count) -> None:
    network, rows = random_network(30, 200, outputs, order, biases=True), uniform(count, 30)
    gradient, derivatives = batch_gradient(network, rows)
    found, lifted = solved(Gradient(), replace(observation(network), gradient=gradient))
    assert found.status is Status.SOLVED
    assert len(lifted) == count
    order_found = torch.cdist(rows, lifted).argmin(1)
    torch.testing.assert_close(lifted[order_found], rows, rtol=0.0, atol=1e-8)
    torch.testing.assert_close(found.candidates.weights[0][order_found], derivatives)


@pytest.mark.parametrize("order", [3, 4])
def test_without_a_bias_it_is_exact_but_for_scale_and_sign(order) -> None:
    network, rows = random_network(30, 200, 2, order), uniform(5, 30)
    seen = replace(observation(network), gradient=batch_gradient(network, rows)[0])
    _, lifted = solved(Gradient(), seen)
    assert direction_errors(lifted, rows).max() < 1e-8
    norms = lifted.norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, Box(lifted.T, seen.low, seen.high).typical_norm))


@pytest.mark.parametrize(("rate", "bound"), [(0.1, 1e-8), (100.0, 1e-8)])
def test_one_step_of_training_is_exact(rate, bound) -> None:
    network, rows = random_network(30, 200, 2), uniform(5, 30)
    after = stepped(network, batch_gradient(network, rows)[0], rate)
    found, lifted = solved(PolynomialDelta(), replace(observation(after), initial=network))
    assert found.status is Status.SOLVED
    assert direction_errors(lifted, rows).max() < bound


def test_training_that_moves_little_is_nearly_exact() -> None:
    network, rows = random_network(30, 200, 2), uniform(5, 30)
    after = network
    for _ in range(50):
        after = stepped(after, batch_gradient(after, rows)[0], 0.001)
    found, lifted = solved(PolynomialDelta(), replace(observation(after), initial=network))
    errors = direction_errors(lifted, rows)
    assert 1e-8 < float(errors.max()) < 0.2
    assert found.relative_loss < 1e-3


def test_directions_below_the_error_of_the_whole_tensor_are_kept() -> None:
    """Errors are spread over all of them. Of twelve samples, one is a thousandth of the tensor."""
    rows, _ = samples(12, 64, seed=14)
    rows = rows / rows.norm(dim=1, keepdim=True)
    start = lazy_start(64, 150, size=8.0, mirrored=False)
    after, _ = fitted(start, rows, 300, 1.0)
    _, lifted = solved(PolynomialDelta(), replace(observation(after), initial=start))
    assert int((direction_errors(lifted, rows) < 0.1).sum()) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("order", [3, 4])
def test_a_lazily_trained_network_has_the_error_it_states(order) -> None:
    rows, _ = samples(8, 64, order)
    start = lazy_start(64, 600, order)
    after, _ = fitted(start, rows, 300, 0.5)
    assert float((after.forward(rows) ** 2 - 1).abs().max()) < 0.1
    found, lifted = solved(PolynomialDelta(), replace(observation(after), initial=start))
    stated = float(found.note.rpartition("expected error ")[2].rstrip(")"))
    assert 1e-8 < float(direction_errors(lifted, rows).max()) < 3 * stated < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("order", [3, 4])
def test_a_network_trained_with_weight_decay_collapses_and_says_so(order) -> None:
    reason = reason_against(Polynomial(), observation(decayed(samples(8, 8, order)[0], order)))
    assert re.match(r"the weights (leave \d+ directions? of the data's tensor|hold rank 2 only)", reason)


# Simultaneous diagonalisation


def test_directions_that_diagonalise_all() -> None:
    rows = torch.randn(4, 7, generator=generator(), dtype=torch.float64)
    diagonals = torch.randn(9, 4, generator=generator(1), dtype=torch.float64)
    matrices = torch.einsum("si,id,ie->sde", diagonals, rows, rows)
    found = diagonalise(matrices, 1e-9, generator(2))
    assert found.shape == (4, 7)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4, dtype=torch.float64))
    assert direction_errors(found, rows).max() < 1e-9
