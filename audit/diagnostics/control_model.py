"""The positive-control model: of the audited network's shape, and made to leak samples that it never saw.

A third of the controls becomes what the model memorises; the others stay controls. It leaks them in the way in
which the audited network would show most:

    a gradient was observed     the audited network, with the gradient of a batch of these samples
    initial weights were given  those, trained until the samples are memorised
    otherwise                   a network of the same shape, trained far past zero error, near a KKT point of the
                                maximum margin (Lyu and Li 2020; Haim et al. 2022), if that network went so far

What hides samples from attacks is noise: of the initialisation in weights, of training in their change, of clipping
or privacy in a gradient. The model has, layer by layer, as much of it as the audited network (`layer_noise`), or
its power would say nothing about that one. Weights begin with it, and training leaves it; to a change or a gradient
it is added. And it is trained until it is as sure of its samples as the audited network is of its members, for what
is hardly learnt is hardly found. But for that one number, members are not used. The confirmed share of the samples
is the power.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audit.attacks import Observation
from audit.budget import Budget
from audit.diagnostics import layer_noise
from audit.diagnostics.training import Trained, descend, loss_gradient
from audit.errors import UsageError
from audit.model.modality import Source
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.scoring.intervals import resolution

_SHARE = 3
"""One in so many controls is memorised, at most."""
_SMALL = 1e-4
"""Standard deviation of its first layer before training, as in the demonstration, besides noise."""
_MARGINS: dict[Source, float] = {"weights": 100.0, "change": 3.0}
"""Smallest margin at which training ends at the latest. Far from its start, a change is no sum of gradients at its
ends."""
_LEARNT = 1.0
"""The same at the earliest: below, the samples would not be memorised."""
_STRIDE = 0x51ED270B
"""Between the seed of the audit and that of the positive-control model."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Which controls the model is to memorise."""

    images: NDArray[np.float32]
    """(n, d) as normalised inputs."""
    labels: NDArray[np.int64]
    """(n,) labels."""
    labels_given: bool
    """Whether they are the controls' own; otherwise they are random and balanced."""
    controls: NDArray[np.float32]
    """(k, d), the others."""


@dataclass(frozen=True, eq=False)
class ControlModel:
    """A network that leaks, or a gradient that does."""

    observation: Observation
    """What the battery is given."""
    noise: tuple[float, ...]
    """Standard deviation of that of every layer, first to last."""
    margin: float | None
    """Smallest one to which it was to be trained; None for a gradient, which needs no training."""
    note: str
    """How training went."""


def fewest(members: int, fdr: float) -> int:
    """How many controls a positive control takes at least: of those left, some must be able to confirm."""

    def enough(given: int) -> bool:
        drawn = min(members, given // _SHARE)
        return drawn > 0 and resolution(drawn, given - drawn, fdr) <= drawn

    return next(given for given in itertools.count() if enough(given))


def share(members: int, controls: int, fdr: float) -> int:
    """How many controls are memorised: as many as members, at most a third of the controls.

    Raises
    ------
    UsageError
        When so few are left that none of them could be confirmed.
    """
    if controls < (least := fewest(members, fdr)):
        raise UsageError(
            f"--positive-control trains a model on a third of the controls and compares with the others: "
            f"{controls} of them are too few",
            f"give at least {least}, or leave it out",
        )
    return min(members, controls // _SHARE)


def draw(
    images: NDArray[np.float32], labels: NDArray[np.int64] | None, count: int, outputs: int, seed: int
) -> Draw:
    """Divide the controls.

    Parameters
    ----------
    images:
        (k, d), all controls as normalised inputs.
    labels:
        (k,), if they have any.
    count:
        Samples to memorise.
    outputs:
        Of the network: labels are 0 and 1 for one output.
    seed:
        Of the audit.
    """
    random = np.random.default_rng([seed, _STRIDE])
    order = random.permutation(len(images))
    chosen, others = order[:count], order[count:]
    drawn = random.permutation(np.arange(count) % max(2, outputs)) if labels is None else labels[chosen]
    return Draw(images[chosen], drawn, labels is not None, images[others])


def strongest_source(audited: Observation) -> Source:
    """How a positive-control model has to leak for the strongest of what was observed."""
    if audited.gradient is not None:
        return "gradient"
    return "weights" if audited.initial is None else "change"


def train_control_model(
    audited: Observation,
    drawn: Draw,
    seed: int,
    budget: Budget,
    sureness: float = math.inf,
    watch: Callable[[int, float], None] = lambda step, loss: None,
) -> ControlModel:
    """Make what the battery is to be tried on.

    Parameters
    ----------
    audited:
        What the attacker sees of the audited network; it says what the model leaks through, and its shape.
    drawn:
        The samples to memorise.
    seed:
        Of the audit.
    budget:
        For training.
    sureness:
        Of the audited network: margin that half of its members have.
    watch:
        Called with (step, loss) while it trains.
    """
    inputs = torch.from_numpy(drawn.images).to(audited.low)
    labels = torch.from_numpy(drawn.labels).to(audited.low.device)
    generator = torch.Generator().manual_seed((seed + _STRIDE) % 2**63)
    weights = audited.network.parameters
    if audited.gradient is not None:
        levels = layer_noise.of_signal(audited.gradient)
        noise = layer_noise.draw(weights, levels, generator)
        gradient = _as_long(loss_gradient(audited.network, inputs, labels), audited.gradient, noise) + noise
        return ControlModel(replace(audited, gradient=gradient), levels, None, "")
    margin = min(_MARGINS[strongest_source(audited)], max(_LEARNT, sureness))
    if audited.initial is not None:
        levels = layer_noise.of_signal(weights - audited.initial.parameters)
        trained = descend(audited.initial, inputs, labels, margin, budget, watch)
        reached = trained.network.parameters + layer_noise.draw(weights, levels, generator)
    else:
        levels = layer_noise.of_weights(weights)
        noise = layer_noise.draw(weights, levels, generator)
        trained = _from_noise(audited.network.at(noise), inputs, labels, margin, generator, budget, watch)
        reached = trained.network.parameters
    note = _note(trained, margin, budget)
    return ControlModel(replace(audited, network=audited.network.at(reached)), levels, margin, note)


def _as_long(gradient: Parameters, observed: Parameters, noise: Parameters) -> Parameters:
    """A gradient as long as the observed one, which may be an update, is without its noise."""
    signal = math.sqrt(max(observed.norm**2 - noise.norm**2, 0.0))
    return gradient.times(signal / (gradient.norm or 1.0))


def _from_noise(
    noise: Network,
    inputs: Tensor,
    labels: Tensor,
    margin: float,
    generator: torch.Generator,
    budget: Budget,
    watch: Callable[[int, float], None],
) -> Trained:
    """Train from noise, without biases, and a small first layer besides.

    That begins in the span of the images, in which training moves it; it is larger where outputs are too small to
    feel its gradient, as with x^3. What is left of the noise outside the span hides the images, as in the audited
    network.
    """
    biases = tuple(None if bias is None else torch.zeros_like(bias) for bias in noise.biases)
    begin = replace(noise.parameters, biases=biases)
    basis, scale = torch.linalg.qr(inputs.T).Q, _SMALL
    small = torch.randn(noise.weights[0].shape, generator=generator).to(basis) @ basis @ basis.T
    while True:
        start = begin.with_first_weight(begin.weights[0] + scale * small)
        trained = descend(noise.at(start), inputs, labels, margin, budget, watch)
        if trained.margin > 0 or scale > 1 or budget.left == 0:
            return trained
        scale *= 10


def _note(trained: Trained, margin: float, budget: Budget) -> str:
    if trained.margin > margin:
        return ""
    learnt = "" if trained.margin > 0 else ", before the model had memorised all of its samples"
    when = "early" if budget.left == 0 or budget.rounds else "where nothing lowered the loss"
    return f"training ended {when}, at a smallest margin of {trained.margin:.2g}{learnt}"
