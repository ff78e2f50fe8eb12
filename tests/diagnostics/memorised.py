"""Small networks that know samples of random classes by heart, in a tenth of a second, for tests of readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from audit.dataset.truth import Truth
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.model.preprocessing import Preprocessing, parse_preprocessing

SHAPE, MEMBERS, CONTROLS, CLASSES = (3, 6, 6), 40, 60, 4
WIDTHS = (108, 40, 40, 40, CLASSES)
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Memorised:
    """A network, and the samples that it knows among others."""

    network: Network
    truth: Truth

    def given(self, change: Callable[[Rows], Rows], preprocessing: Preprocessing | None = None) -> Truth:
        """The same samples, with other values (n, h, w, c) or (n, d) in their own units, or other preprocessing."""
        stated, taken = self.truth.preprocessing, preprocessing or self.truth.preprocessing
        members, controls = (
            taken.normalise(np.ascontiguousarray(change(stated.denormalise(rows))))
            for rows in (self.truth.members, self.truth.controls)
        )
        return replace(self.truth, members=members, controls=controls, preprocessing=taken)


def unchanged(values: Rows) -> Rows:
    return values


def around_layers(network: Network, rows: Tensor) -> Tensor:
    """Outputs of a network with skip connections around its inner layers."""
    first, second, third, last = network.weights
    hidden = (rows @ first.T).relu()
    for weight in (second, third):
        hidden = hidden + (hidden @ weight.T).relu()
    return hidden @ last.T


def unlabelled(truth: Truth) -> Truth:
    return replace(truth, labels=None, control_labels=None)


@cache
def images(
    activation: str = "relu",
    forward: Callable[[Network, Tensor], Tensor] = Network.forward,
    widths: Sequence[int] = WIDTHS,
    steps: int = 150,
) -> Memorised:
    """Images of random pixels, normalised by a mean and a standard deviation for each channel."""
    values = np.random.default_rng(0).uniform(size=(MEMBERS + CONTROLS, 6, 6, 3)).astype(np.float32)
    values *= np.array([0.4, 0.7, 1.0], dtype=np.float32)
    return memorise(
        values, parse_preprocessing(SHAPE, "0.2,0.35,0.5", "0.1,0.2,0.3"), activation, forward, widths, steps
    )


@cache
def table(steps: int = 150) -> Memorised:
    """Rows whose columns have means and spreads of very different size."""
    random = np.random.default_rng(0)
    scale = 10 ** random.uniform(-2, 2, 30)
    values = (scale * (3 + random.normal(size=(MEMBERS + CONTROLS, 30)))).astype(np.float32)
    stated = parse_preprocessing((30,), "0", "1")
    mean, std = values.mean(axis=0), values.std(axis=0)
    return memorise(
        values, replace(stated, mean=mean, std=std), "relu", Network.forward, (30, 60, CLASSES), steps
    )


@cache
def regression(steps: int = 200) -> Memorised:
    """The table, with targets that are real numbers and a network of one output."""
    known = table(steps=0).truth
    random = np.random.default_rng(4)
    targets, others = (random.normal(size=count).astype(np.float32) for count in (MEMBERS, CONTROLS))
    network = drawn((30, 60, 1))
    tensors = [tensor.requires_grad_() for tensor in network.parameters.tensors]
    rows, wanted = torch.from_numpy(known.members), torch.from_numpy(targets)
    optimiser = torch.optim.Adam(tensors, lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        functional.mse_loss(network.forward(rows)[:, 0], wanted).backward()
        optimiser.step()
    trained = network.at(network.parameters.map(torch.Tensor.detach))
    truth = replace(known, labels=None, control_labels=None, targets=targets, control_targets=others)
    return Memorised(trained, truth)


def memorise(
    values: Rows,
    preprocessing: Preprocessing,
    activation: str,
    forward: Callable[[Network, Tensor], Tensor],
    widths: Sequence[int],
    steps: int,
) -> Memorised:
    """Train until the classes of the first samples, which are random, are known by heart."""
    labels = np.random.default_rng(1).integers(0, CLASSES, len(values))
    inputs = preprocessing.normalise(values)
    network = drawn(widths, activation)
    tensors = [tensor.requires_grad_() for tensor in network.parameters.tensors]
    rows, classes = torch.from_numpy(inputs[:MEMBERS]), torch.from_numpy(labels[:MEMBERS])
    optimiser = torch.optim.Adam(tensors, lr=5e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(forward(network, rows), classes).backward()
        optimiser.step()
    trained = network.at(network.parameters.map(torch.Tensor.detach))
    truth = Truth(inputs[:MEMBERS], inputs[MEMBERS:], labels[:MEMBERS], labels[MEMBERS:], preprocessing)
    return Memorised(trained, truth)


def drawn(widths: Sequence[int], activation: str = "relu") -> Network:
    """A network as it is initialised."""
    generator = torch.Generator().manual_seed(3)
    pairs = list(pairwise(widths))
    weights = tuple(torch.randn(many, few, generator=generator) * (2 / few) ** 0.5 for few, many in pairs)
    biases = tuple(torch.zeros(many) for _, many in pairs)
    return Network(Parameters(weights, biases), activation, tuple(1.0 for _ in pairs[1:]))
