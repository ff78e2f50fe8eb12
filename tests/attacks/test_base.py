"""Labels that candidates are given, and what equations of two attacks share."""

from dataclasses import replace

import pytest
import torch

from audit.attacks import BATTERY, Attack, Method
from audit.attacks.base import Labels
from audit.attacks.gradient import Gradient
from audit.attacks.gradient_exact import GradientExact
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.attacks.weight_delta import WeightDelta
from tests.helpers import normal
from tests.planted import another, batch_gradient, equation, observation, small_network

SEEN = observation(small_network(3, 2, "all"))


@pytest.mark.parametrize(
    ("count", "given"), [(0, []), (2, [2, 0]), (3, [2, 0, 2]), (7, [2, 0, 2, 2, 0, 2, 2])]
)
def test_labels_are_given_in_turn(count: int, given: list[int]) -> None:
    assert Labels(torch.tensor([2, 0, 2])).give(count).tolist() == given


def test_classes_share_equally_unless_the_target_says_how_often_each_occurs() -> None:
    cycle = torch.arange(3)
    assert (Labels(cycle).classes, Labels(cycle, in_proportion=True).classes) == (3, 0)
    margin, loss = equation(KktMargin(), SEEN), equation(KktLoss(), SEEN)
    assert (margin.classes, loss.classes) == (3, 0)
    assert margin.label(4).tolist() == [0, 1, 2, 0]
    assert loss.label(4) is None


def test_equations_are_equal_that_differ_in_how_they_are_solved_only() -> None:
    net = small_network(3, 2, "all", hidden=140, inputs=200)
    gradient = batch_gradient(net, normal(2, 200))[0]
    seen = replace(observation(net), gradient=gradient)
    one, exact = equation(Gradient(), seen), equation(GradientExact(), seen)
    assert one.equals(exact)
    assert one.shares_space(exact)
    assert not one.equals(equation(KktLoss(), seen))  # another target
    assert not equation(KktLoss(), seen).equals(equation(KktMargin(), seen))  # another readout
    assert not equation(KktLoss(), seen).equals(equation(KktLoss(), replace(seen, network=another(net))))


def test_row_spaces_are_shared_where_target_and_noise_are() -> None:
    margin, loss, change = (equation(attack, SEEN) for attack in (KktMargin(), KktLoss(), WeightDelta()))
    assert margin.shares_space(loss)
    assert not margin.shares_space(change)
    as_gradient = equation(Gradient(), replace(SEEN, gradient=SEEN.network.parameters))
    assert torch.equal(as_gradient.objective.target.weights[0], loss.objective.target.weights[0])
    assert not as_gradient.shares_space(loss)  # rounding is the noise of a gradient


@pytest.mark.parametrize("attack", BATTERY, ids=[attack.id for attack in BATTERY])
def test_closed_forms_are_done_in_one_slice(attack: Attack) -> None:
    closed = {"gradient-exact", "polynomial", "polynomial-delta", "polynomial-gradient"}
    assert attack.method.in_one_slice == (attack.id in closed)
    assert Method.MOMENTS.in_one_slice is False
