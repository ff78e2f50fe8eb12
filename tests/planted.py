"""Planted problems that several tests share: small networks, and equations whose solution was put there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from audit.attacks import BATTERY, Attack, Equation, Method, Observation
from audit.attacks.kkt_margin import KktMargin
from audit.battery import Outcome, prepare, reconstruct
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace, first_layer_space, reduce
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.solve.base import Problem
from audit.solve.constraints import Box

BIASES = ("none", "first", "all")
LAYOUTS = {"outputs": [1, 3], "layers": [2, 3], "biases": BIASES}
"""Of `small_network`."""
EQUATIONS = [attack for attack in BATTERY if attack.method is Method.DESCENT]
"""One attack for each equation of the battery; polynomial-delta has one of its own, but applies rarely."""
UNITS = (0.7, 1.6, 0.9)
"""Not 1, so that a test sees whether sharpness is counted in them."""


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small_network(
    outputs=1, layers=2, biases="none", inputs=6, hidden=7, seed=0, dtype=torch.float64, activation="relu"
) -> Network:
    """A random network with `layers` weights, all hidden layers of different widths."""
    rng = generator(seed)
    widths = [inputs, *(hidden - 2 * index for index in range(layers - 1)), outputs]
    last_biased = {"none": 0, "first": 1, "all": layers}[biases]
    weights, vectors = [], []
    for index in range(layers):
        shape = (widths[index + 1], widths[index])
        weights.append(torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype) / shape[1] ** 0.5)
        bias = 0.3 * torch.randn(shape[0], generator=rng, dtype=torch.float64).to(dtype)
        vectors.append(bias if index < last_biased else None)
    return Network(Parameters(tuple(weights), tuple(vectors)), activation, UNITS[: layers - 1])


def at(network: Network, tensors: Iterable[Tensor]) -> Network:
    """The same network with other tensors, in the order of its own."""
    return network.at(network.parameters.rebuild(tensors))


def another(network: Network, seed=11) -> Network:
    """Random weights of the same layout and size."""
    rng = generator(seed)
    noise = [
        torch.randn(tensor.shape, generator=rng, dtype=torch.float64) for tensor in network.parameters.tensors
    ]
    pairs = zip(noise, network.parameters.tensors, strict=True)
    return at(network, [one.to(like) * like.square().mean().sqrt() for one, like in pairs])


def observation(network: Network, bound=2.0) -> Observation:
    """Everything an attacker can see, weights from before training and a gradient included."""
    high = torch.full((network.inputs,), bound, dtype=network.weights[0].dtype)
    gradient = another(network, seed=12).parameters
    return Observation(network, another(network), -high, high, gradient)


def equation(attack: Attack, seen: Observation) -> Equation:
    """The equation of an attack that applies."""
    found = attack.prepare(seen)
    assert isinstance(found, Equation), found.reason
    return found


def reason_against(attack: Attack, seen: Observation) -> str | None:
    """Why an attack does not apply, or None if it does."""
    found = attack.prepare(seen)
    return None if isinstance(found, Equation) else found.reason


def run_battery(
    seen: Observation, attacks: Sequence[Attack], *arguments: Any, **options: Any
) -> list[Outcome]:
    """What comes of attacks, of which none has been prepared."""
    return reconstruct(seen, prepare(seen, attacks), *arguments, **options)


def in_row_space(objective: Objective) -> tuple[Objective, RowSpace]:
    """The same equation with as few coordinates as its target allows, and the way back."""
    space = first_layer_space(objective)
    return reduce(objective, space), space


def without_initial(seen: Observation) -> Observation:
    """What an attacker sees who does not know where training began."""
    return replace(seen, initial=None)


def without_gradient(seen: Observation) -> Observation:
    """What an attacker sees who watched no step of training."""
    return replace(seen, gradient=None)


def batch_gradient(network: Network, rows: Tensor) -> tuple[Parameters, Tensor]:
    """Gradient of the cross-entropy over a batch (n, d) with labels 0, 1, ..., and its derivatives (n, c)."""
    tensors = [tensor.clone().requires_grad_() for tensor in network.parameters.tensors]
    outputs = at(network, tensors).forward(rows)
    loss = functional.cross_entropy(outputs, torch.arange(len(rows)) % network.outputs)
    *gradients, derivatives = torch.autograd.grad(loss, [*tensors, outputs])
    return network.parameters.rebuild(gradients), derivatives


def plain_softplus(pre, beta):
    return torch.logaddexp(torch.zeros_like(pre), beta * pre) / beta


def plain_relu(pre, beta):
    return pre * (pre > 0) if beta is None else plain_softplus(pre, beta)


def plain_elu(pre, beta, alpha):
    positive = plain_relu(pre, beta)
    return positive + alpha * (torch.exp(pre - positive) - 1)


def plain_tanh(pre):
    return 1 - 2 / (1 + torch.exp(2 * pre))


# (pre, beta), beta None for the activation itself; written from the definitions, for moderate arguments only.
PLAIN_ACTIVATIONS = {
    "relu": plain_relu,
    "leaky_relu:0.2": lambda pre, beta: plain_relu(pre, beta) - 0.2 * (plain_relu(pre, beta) - pre),
    "elu:0.7": lambda pre, beta: plain_elu(pre, beta, 0.7),
    "selu": lambda pre, beta: 1.0507009873554805 * plain_elu(pre, beta, 1.6732632423543772),
    "gelu": lambda pre, _: pre * (1 + torch.erf(pre / math.sqrt(2))) / 2,
    "gelu_tanh": lambda pre, _: (
        pre / 2 * (1 + plain_tanh(math.sqrt(2 / math.pi) * (pre + 0.044715 * pre**3)))
    ),
    "silu": lambda pre, _: pre / (1 + torch.exp(-pre)),
    "softplus:2.0": lambda pre, _: plain_softplus(pre, 2.0),
    "tanh": lambda pre, _: plain_tanh(pre),
    "sigmoid": lambda pre, _: 1 / (1 + torch.exp(-pre)),
    "polynomial:2": lambda pre, _: pre * pre,
    "polynomial:3": lambda pre, _: pre * pre * pre,
    "identity": lambda pre, _: pre,
}


KINKED = ("relu", "leaky_relu:0.2", "elu:0.7", "selu")
"""The activations whose stand-in is another function."""


def plain_outputs(network: Network, tensors, row: Tensor, sharpness=None) -> Tensor:
    """Outputs (c,) for one input (d,), layer by layer, with other parameters in the network's layout."""
    rest = list(tensors)
    for index, bias in enumerate(network.biases):
        if index:
            beta = None if sharpness is None else sharpness / network.scales[index - 1]
            row = PLAIN_ACTIVATIONS[network.activation](row, beta)
        row = rest.pop(0).mv(row)
        row = row if bias is None else row + rest.pop(0)
    return row


def plain_sum(objective: Objective, candidates: Candidates, sharpness=None) -> Tensor:
    """sum_j sum_a lambda_ja grad h(theta_a; x_j) as (p,): a loop over candidates, points and scalars."""
    total = torch.zeros(objective.size, dtype=candidates.inputs.dtype)
    for index, row in enumerate(candidates.inputs.detach()):
        label = None if candidates.labels is None else candidates.labels[index : index + 1]
        weights = iter(candidates.weights[index].detach())
        for point in objective.points:
            tensors = [tensor.clone().requires_grad_() for tensor in point.parameters.tensors]
            outputs = plain_outputs(point, tensors, row, sharpness)
            for scalar in objective.readout(outputs[None], label)[0]:
                derivatives = torch.autograd.grad(scalar, tensors, retain_graph=True)
                total += next(weights) * torch.cat([derivative.flatten() for derivative in derivatives])
    return total


def split(vector: Tensor, like: Parameters) -> Parameters:
    """(p,) as parameters of the layout of others."""
    parts = vector.split([tensor.numel() for tensor in like.tensors])
    pairs = zip(parts, like.tensors, strict=True)
    return like.rebuild(part.reshape(tensor.shape) for part, tensor in pairs)


def planted(objective: Objective, candidates: Candidates, sharpness=None) -> Objective:
    """The same equation with a target that `candidates` solve."""
    return replace(objective, target=split(plain_sum(objective, candidates, sharpness), objective.target))


def columns(objective: Objective, labels: Tensor | None) -> int:
    """How many lambdas a candidate has."""
    outputs = torch.zeros(1, objective.points[0].outputs, dtype=objective.target.weights[0].dtype)
    return (
        len(objective.points) * objective.readout(outputs, None if labels is None else labels[:1]).shape[-1]
    )


def random_candidates(attack: Attack, seen: Observation, count=4, restarts=(), seed=1) -> Candidates:
    """(*restarts, count) candidates that suit an attack."""
    rng = generator(seed)
    like = seen.network.weights[0]
    found = equation(attack, seen)
    labels = found.label(count)
    shape = (*restarts, count)
    inputs = torch.randn(*shape, seen.network.inputs, generator=rng, dtype=like.dtype)
    weights = torch.randn(*shape, columns(found.objective, labels), generator=rng, dtype=like.dtype)
    return Candidates(inputs, weights.abs() if found.objective.non_negative else weights, labels)


def kkt_point(outputs=1, samples=5, inputs=8, copies=1) -> tuple[Network, Candidates]:
    """A two-layer network at a KKT point of its own margin problem, and the samples with their lambda.

    Samples at obtuse angles to each other, and a neuron along each: it is active on its sample only. With w = c x
    and a = alpha (1 for the own class, -1/(C-1) for the others; y alpha for one output), both conditions
    w = lambda (own - mean other of a) x and a = lambda (w x)(own - mean other) hold when lambda^2 |x|^2 C/(C-1) = 1
    (lambda |x| = 1 for one output). Several copies of a neuron share its sample's part in any proportion.
    """
    gram = torch.full((samples, samples), -0.5 / samples, dtype=torch.float64)
    gram.fill_diagonal_(1.0)
    rotation = torch.linalg.qr(torch.randn(inputs, inputs, generator=generator(7), dtype=torch.float64)).Q
    sizes = torch.linspace(0.8, 1.7, samples, dtype=torch.float64)[:, None]
    rows = sizes * torch.linalg.cholesky(gram) @ rotation[:samples]
    labels = torch.arange(samples) % max(outputs, 2)
    if outputs == 1:
        excess, readouts = 1.0, (2.0 * labels - 1.0)[:, None].double()
    else:
        excess = outputs / (outputs - 1)
        own = functional.one_hot(labels, outputs).double()
        readouts = own - (1 - own) / (outputs - 1)
    weights = 1 / (sizes * excess**0.5)
    # Margin 1: excess * alpha * c |x|^2 = 1 with c = lambda * excess * alpha, summed over the copies.
    alpha = (weights * (excess * sizes).square()).rsqrt()
    shares = torch.arange(1, copies + 1, dtype=torch.float64)
    shares = (shares / shares.square().sum().sqrt())[:, None, None]
    first = (shares * weights * excess * alpha * rows).flatten(0, 1)
    last = (shares * alpha * readouts).flatten(0, 1).T.contiguous()
    return Network(Parameters((first, last), (None, None)), "relu", (1.0,)), Candidates(rows, weights, labels)


class Clock:
    """A clock that stands still unless it is told to move, or goes on by a tick whenever it is looked at."""

    def __init__(self, now=0.0, tick=0.0):
        self.now = now
        self.tick = tick

    def __call__(self):
        self.now += self.tick
        return self.now


def costing(objective: Objective, clock: Clock, seconds=1.0) -> Objective:
    """The same equation; every evaluation moves the clock on."""

    def readout(outputs, labels):
        clock.now += seconds
        return objective.readout(outputs, labels)

    return replace(objective, readout=readout)


@dataclass(frozen=True, eq=False)
class Planted:
    """A problem ready to be solved, and its solution."""

    problem: Problem
    space: RowSpace
    samples: Tensor
    """(n, d)"""
    labels: Tensor | None
    """(n,), or None where the readout needs none."""

    def recovered(self, candidates: Candidates) -> Tensor:
        """Largest cosine of any candidate of the right label with each sample, (n,).

        Without labels lambda takes their part, and mirror images are told apart by the equation alone.
        """
        pool = candidates.flatten()
        found = functional.normalize(self.space.lift(pool.inputs), dim=-1)
        cosines = functional.normalize(self.samples, dim=-1) @ found.T
        if pool.labels is not None and self.labels is not None:
            cosines = cosines.masked_fill(self.labels[:, None] != pool.labels[None, :], -1.0)
        return cosines.amax(1)


def planted_problem(
    outputs=1,
    inputs=20,
    hidden=60,
    samples=5,
    biases="none",
    seed=0,
    attack=None,
    activation="relu",
    dtype=torch.float32,
) -> Planted:
    """A random network as point, and as target the weighted gradients of a few samples."""
    attack = attack or KktMargin()
    if attack.id == "gradient-cosine":
        biases = "all"  # it takes labels from the last one
    network = small_network(outputs, 2, biases, inputs, hidden, seed, dtype, activation)
    seen = observation(network, bound=1.5)
    known = equation(attack, seen)
    objective = known.objective
    rows = torch.randn(samples, inputs, generator=generator(seed + 1)).clamp(-1.5, 1.5).to(dtype)
    labels = known.label(samples)
    shape = (samples, columns(objective, labels))
    weights = (0.5 + torch.rand(shape, generator=generator(seed + 2))).to(dtype)
    if not objective.non_negative:
        weights = weights * (-1.0) ** torch.arange(weights.numel()).reshape(shape)
    objective = planted(objective, Candidates(rows, weights, labels))
    reduced, space = in_row_space(objective)
    box = Box(space.basis, seen.low, seen.high)
    return Planted(Problem(reduced, box, known.label), space, rows, labels)
