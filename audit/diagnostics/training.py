"""Full-batch training until a network has memorised its samples: what makes a network leak.

Gradient descent on the logistic loss, far past zero error, tends to a KKT point of the maximum margin (Lyu and Li
2020, arXiv 1906.05890), where the weights are a sum of gradients of the samples: the equation that attacks solve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from audit.budget import Budget
from audit.model.network import Network
from audit.model.parameters import Parameters

_LINEAR_FROM = 60.0
"""Margin from which log(softplus(-margin)) is -margin, to within exp(-60)."""
_FIRST_RATE = 1e-3
_FASTER, _SLOWER = 1.05, 0.5
"""Factors of the rate after a step that lowered the loss, and after one that did not."""
_TRIALS_A_ROUND = 5000
"""Steps that are tried at most for every round, where rounds are counted instead of time."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network."""

    network: Network
    """Its weights."""
    margin: float
    """Smallest margin it reached; below 0 where an image is still classified wrongly."""
    steps: int
    """That lowered the loss."""


def descend(
    network: Network,
    inputs: Tensor,
    labels: Tensor,
    margin: float,
    budget: Budget,
    watch: Callable[[int, float], None] = lambda step, loss: None,
) -> Trained:
    """Train by gradient descent on the logarithm of the summed logistic loss until every margin is large.

    The logarithm divides every step by the loss, so that training goes on far past zero error. The rate grows
    slowly, and is halved by a step that would raise the loss, which is then not taken: no network needs a rate of
    its own.

    Parameters
    ----------
    network:
        Where to start.
    inputs:
        (n, d), as normalised inputs.
    labels:
        (n,) labels.
    margin:
        Smallest margin at which to stop.
    budget:
        Time after which to stop anyway, or rounds, each of `_TRIALS_A_ROUND` steps.
    watch:
        Called with (step, summed loss).
    """
    reached, rate, steps = network.at(network.parameters.map(torch.Tensor.detach)), _FIRST_RATE, 0
    loss, smallest, gradient = _evaluate(reached, inputs, labels)
    tried, most = 0, math.inf if budget.rounds is None else budget.rounds * _TRIALS_A_ROUND
    while smallest <= margin and tried < most and budget.left > 0 and rate > 0:
        tried += 1
        trial = network.at(reached.parameters - gradient.times(rate))
        lower, least, ahead = _evaluate(trial, inputs, labels)
        if lower < loss:
            reached, loss, smallest, gradient = trial, lower, least, ahead
            rate, steps = rate * _FASTER, steps + 1
            watch(steps, float(torch.tensor(loss).exp()))
        else:
            rate *= _SLOWER
    return Trained(reached, smallest, steps)


def small_start(like: Network, scale: float, generator: torch.Generator) -> Network:
    """Draw a network of the same shape: a first layer of this standard deviation, later ones as usual, no biases.

    A small first layer is what makes a network leak (Haim et al. 2022): what it grows to is made of samples.
    """
    first, *others = [torch.randn(weight.shape, generator=generator).to(weight) for weight in like.weights]
    weights = (scale * first, *(weight / weight.shape[1] ** 0.5 for weight in others))
    biases = tuple(None if bias is None else torch.zeros_like(bias) for bias in like.biases)
    return like.at(Parameters(weights, biases))


def loss_gradient(network: Network, inputs: Tensor, labels: Tensor) -> Parameters:
    """Gradient of the mean logistic loss (cross-entropy) of a batch, (n, d) and (n,)."""
    free = network.parameters.map(lambda tensor: tensor.detach().requires_grad_())
    margins = soft_margins(network.at(free).forward(inputs), labels)
    return free.rebuild(torch.autograd.grad(functional.softplus(-margins).mean(), free.tensors))


def soft_margins(outputs: Tensor, labels: Tensor) -> Tensor:
    """Margins whose softplus of the negative is the logistic loss: (n,) from (n, o) and (n,).

    y Phi(x) with y = -1 or 1 for one output; for many, Phi_y(x) - log sum_{c != y} exp Phi_c(x).
    """
    if outputs.shape[1] == 1:
        return outputs[:, 0] * (2 * labels - 1)
    column = labels[:, None]
    return outputs.gather(1, column)[:, 0] - outputs.scatter(1, column, -torch.inf).logsumexp(1)


def log_loss(margins: Tensor) -> Tensor:
    """Logarithm of the summed logistic loss, log sum_i log(1 + exp(-margin_i)), also where the loss underflows."""
    near = functional.softplus(-margins.clamp(max=_LINEAR_FROM)).log()
    return torch.where(margins > _LINEAR_FROM, -margins, near).logsumexp(0)


def _evaluate(network: Network, inputs: Tensor, labels: Tensor) -> tuple[float, float, Parameters]:
    """Logarithm of the loss, smallest margin, and gradient of the former."""
    free = network.parameters.map(lambda tensor: tensor.detach().requires_grad_())
    margins = soft_margins(network.at(free).forward(inputs), labels)
    loss = log_loss(margins)
    gradient = free.rebuild(torch.autograd.grad(loss, free.tensors))
    return float(loss.detach()), float(margins.detach().min()), gradient
