"""polynomial, polynomial-delta and polynomial-gradient: equations of other attacks, under conditions they name."""

from dataclasses import replace

import pytest
import torch

from audit.attacks import BATTERY, Method
from audit.attacks.gradient import Gradient
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.polynomial import Polynomial
from audit.attacks.polynomial_delta import PolynomialDelta
from audit.attacks.polynomial_gradient import PolynomialGradient
from audit.battery import prepare
from audit.diagnostics.measure import identifiability
from audit.equation.identifiability import TensorSystem, analyse
from tests.planted import (
    batch_gradient,
    equation,
    generator,
    observation,
    reason_against,
    without_gradient,
    without_initial,
)
from tests.polynomials import kkt_network, random_network, samples, stepped


@pytest.fixture
def seen():
    """Weights after one step from random ones, and the gradient there."""
    start = random_network(30, 200, 2)
    rows = torch.randn(4, 30, generator=generator(2), dtype=torch.float64)
    gradient = batch_gradient(start, rows)[0]
    return replace(observation(stepped(start, gradient, 0.1)), initial=start, gradient=gradient)


@pytest.mark.parametrize("attack", [Polynomial(), PolynomialDelta(), PolynomialGradient()])
def test_they_are_solved_from_tensors(attack) -> None:
    assert attack.method is Method.TENSOR
    assert "x^k" in attack.requires
    assert "2602.08723" in attack.papers


def test_the_equation_of_the_weights_is_that_of_kkt_loss() -> None:
    seen = observation(kkt_network(*samples(4, 30), 3))
    found, other = equation(Polynomial(), seen), equation(KktLoss(), seen)
    assert found.equals(other)
    assert "stationary" in found.caveat


def test_the_equation_of_a_gradient_is_that_of_gradient(seen) -> None:
    there = replace(seen, network=seen.initial)
    assert equation(PolynomialGradient(), there).equals(equation(Gradient(), there))


@pytest.fixture
def trained(seen):
    """The same start after thirty steps."""
    after, rows = seen.initial, torch.randn(4, 30, generator=generator(2), dtype=torch.float64)
    for _ in range(30):
        after = stepped(after, batch_gradient(after, rows)[0], 0.001)
    return replace(seen, network=after)


def test_the_change_has_one_point_halfway(trained) -> None:
    objective = equation(PolynomialDelta(), trained).objective
    (point,) = objective.points
    ends = zip(trained.initial.parameters.tensors, trained.network.parameters.tensors, strict=True)
    for middle, (before, after) in zip(point.parameters.tensors, ends, strict=True):
        torch.testing.assert_close(middle, (before + after) / 2)
    there, at_the_start = (
        analyse(replace(objective, points=(one,))).unexplained for one in (point, trained.initial)
    )
    assert there < at_the_start / 3


def test_that_of_one_step_is_where_it_began(seen) -> None:
    objective = equation(PolynomialDelta(), seen).objective
    assert objective.points == (seen.initial,)
    for change, derivative in zip(objective.target.tensors, seen.gradient.tensors, strict=True):
        torch.testing.assert_close(change, -0.1 * derivative)


@pytest.mark.parametrize("order", [3, 4])
def test_weights_of_many_neurons_at_a_kkt_point_apply(order) -> None:
    rows, weights = samples(4, 30, order)
    assert reason_against(Polynomial(), observation(kkt_network(rows, weights, order))) is None


def test_weights_of_few_neurons_do_not() -> None:
    rows, weights = samples(5, 30)
    reason = reason_against(Polynomial(), observation(kkt_network(rows, weights, 3, units=5)))
    assert reason.startswith(
        "the weights leave 10 directions of the data's tensor undetermined (rank 25 of 35"
    )
    reason = reason_against(Polynomial(), observation(kkt_network(rows, weights, 3, units=2)))
    assert reason.endswith("leave open which samples are mixed in them")


def test_gradients_and_changes_at_random_weights_apply(seen) -> None:
    assert reason_against(PolynomialGradient(), replace(seen, network=seen.initial)) is None
    assert reason_against(PolynomialDelta(), seen) is None


def test_gradients_and_changes_of_few_neurons_do_not() -> None:
    start = random_network(30, 6, 2)
    rows = torch.randn(4, 30, generator=generator(2), dtype=torch.float64)
    gradient = batch_gradient(start, rows)[0]
    seen = replace(observation(stepped(start, gradient, 0.1)), initial=start)
    few = replace(seen, network=start, gradient=gradient)
    assert reason_against(PolynomialGradient(), few).startswith("the gradient leaves ")
    assert reason_against(PolynomialDelta(), seen).startswith("the change leaves ")


def test_what_is_missing_is_named_first(seen) -> None:
    assert reason_against(PolynomialDelta(), without_initial(seen)).endswith("pass --initial")
    assert reason_against(PolynomialGradient(), without_gradient(seen)).endswith("pass --gradient")


@pytest.mark.parametrize("attack", [Polynomial(), PolynomialDelta(), PolynomialGradient()])
@pytest.mark.parametrize("activation", ["relu", "polynomial:2", "tanh"])
def test_other_activations_do_not_apply(attack, activation, seen) -> None:
    nets = {name: replace(getattr(seen, name), activation=activation) for name in ("network", "initial")}
    assert reason_against(attack, replace(seen, **nets)).endswith(f"here it is {activation}")


def test_equations_are_solved_once_for_attack_and_report(seen, monkeypatch: pytest.MonkeyPatch) -> None:
    solve, solved = TensorSystem.solve, []
    monkeypatch.setattr(TensorSystem, "solve", lambda system: solved.append(system) or solve(system))
    prepared = prepare(seen, BATTERY)
    assert len(solved) == 3  # two of them to choose the point of a change
    assert {attack.id for attack in identifiability(prepared)} == {"polynomial-delta", "polynomial-gradient"}
    assert len(solved) == 3
