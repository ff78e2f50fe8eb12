"""Training by heart: from any start, at no rate of anybody's, and the losses it descends."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from audit.budget import Budget
from audit.diagnostics.training import descend, log_loss, loss_gradient, soft_margins
from audit.model.network import Network
from audit.model.parameters import Parameters
from tests.planted import Clock, at

PLENTY = Budget(1e6, Clock())


def problem(outputs: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 20, generator=generator), torch.arange(8) % max(outputs, 2)


def start(sizes: list[int], activation: str = "relu", scale: float = 0.1) -> Network:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(b, a, generator=generator) / a**0.5 for a, b in pairwise(sizes)]
    biases = tuple(torch.zeros(weight.shape[0]) for weight in weights)
    parameters = Parameters((scale * weights[0], *weights[1:]), biases)
    return Network(parameters, activation, (1.0,) * (len(sizes) - 2))


@pytest.mark.parametrize(
    ("sizes", "activation"),
    [([20, 30, 1], "relu"), ([20, 30, 3], "relu"), ([20, 15, 15, 1], "gelu"), ([20, 400, 4], "tanh")],
)
def test_every_image_is_learnt_with_the_margin_asked_for(sizes: list[int], activation: str) -> None:
    inputs, labels = problem(sizes[-1])
    before = start(sizes, activation)
    trained = descend(before, inputs, labels, 20.0, PLENTY)
    reached = soft_margins(trained.network.forward(inputs), labels)
    assert float(reached.min()) == pytest.approx(trained.margin)
    assert 20.0 < trained.margin < 40.0
    torch.testing.assert_close(
        before.parameters.tensors, start(sizes, activation).parameters.tensors
    )  # untouched
    assert not any(tensor.requires_grad for tensor in trained.network.parameters.tensors)


@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_the_scale_of_inputs_does_not_matter(scale: float) -> None:
    inputs, labels = problem(1)
    assert descend(start([20, 30, 1]), scale * inputs, labels, 20.0, PLENTY).margin > 20.0


def test_the_loss_never_rises() -> None:
    inputs, labels = problem(1)
    losses: list[float] = []
    trained = descend(start([20, 30, 1]), inputs, labels, 5.0, PLENTY, lambda step, loss: losses.append(loss))
    assert len(losses) == trained.steps
    assert losses == sorted(losses, reverse=True)
    exact = functional.softplus(-soft_margins(trained.network.forward(inputs), labels)).sum()
    assert losses[-1] == pytest.approx(float(exact), rel=1e-4)


def test_training_ends_with_its_time_or_with_an_interrupt() -> None:
    inputs, labels = problem(1)
    ticks = iter(range(10**6))
    timed = descend(start([20, 30, 1]), inputs, labels, 1e9, Budget(12.0, lambda: float(next(ticks))))
    assert 0 < timed.steps < 12
    polls = iter(range(10**6))
    broken = Budget(1e6, Clock(), lambda: next(polls) >= 3)
    assert descend(start([20, 30, 1]), inputs, labels, 1e9, broken).steps == 3


def test_training_ends_where_nothing_leads_down() -> None:
    inputs, labels = problem(1)
    flat = at(start([20, 30, 1]), [torch.zeros(30, 20), torch.zeros(30), torch.zeros(1, 30), torch.zeros(1)])
    trained = descend(flat, inputs, labels, 20.0, PLENTY)
    assert (trained.steps, trained.margin) == (0, 0.0)
    lost = at(start([20, 30, 1]), [torch.full((30, 20), torch.nan), *flat.parameters.tensors[1:]])
    assert descend(lost, inputs, labels, 20.0, PLENTY).steps == 0


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_gradient_of_a_batch_is_that_of_the_usual_loss(outputs: int) -> None:
    inputs, labels = problem(outputs)
    network = start([20, 30, outputs])
    free = [tensor.clone().requires_grad_() for tensor in network.parameters.tensors]
    values = at(network, free).forward(inputs)
    if outputs == 1:
        loss = functional.binary_cross_entropy_with_logits(values[:, 0], labels.float())
    else:
        loss = functional.cross_entropy(values, labels)
    found = loss_gradient(network, inputs, labels)
    torch.testing.assert_close(found.tensors, torch.autograd.grad(loss, free))
    assert not any(tensor.requires_grad for tensor in (*found.tensors, *network.parameters.tensors))


def test_the_log_loss_of_large_margins_is_that_of_the_smallest() -> None:
    assert float(log_loss(torch.tensor([500.0, 900.0]))) == pytest.approx(-500.0)
