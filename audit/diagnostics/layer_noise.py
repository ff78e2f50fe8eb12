"""How much noise every layer holds: what an initialisation left in weights, or what hides a change or a gradient.

Samples explain a few directions of a layer. The bulk of its singular values is noise, and its level follows from
their median (`audit.equation.row_space.noise_level`). Where the samples fill most directions, what they wrote is
counted as noise too, for an attack cannot tell them apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from audit.equation.row_space import bulk_edge, noise_level
from audit.model.parameters import Parameters

NARROW = 64
"""Rows or columns below which a layer has too few singular values to tell noise from signal."""
_LEAST = 1e-3
"""Least level of upper layers, relative to the usual one: from zeros nothing would be learnt."""


def of_weights(parameters: Parameters) -> tuple[float, ...]:
    """Standard deviation of the entries of each layer's noise, with which a network like this one begins.

    Of an upper layer that is too narrow to tell, no more than the usual 1 / sqrt(inputs) is taken for noise.
    """
    first, *others = parameters.weights
    return (_level(first), *(_upper(weight) for weight in others))


def of_signal(parameters: Parameters) -> tuple[float, ...]:
    """The same of a change of weights or a gradient, in which layers that are too narrow to tell hold little.

    They get the least level of the others, and 0 if there are none; so does a layer in which only rounding is left.
    """
    wide = [min(weight.shape) >= NARROW for weight in parameters.weights]
    known = [
        _above_rounding(one) if tells else None for one, tells in zip(parameters.weights, wide, strict=True)
    ]
    least = min((level for level in known if level is not None), default=0.0)
    return tuple(least if level is None else level for level in known)


def draw(like: Parameters, levels: tuple[float, ...], generator: torch.Generator) -> Parameters:
    """Normal noise of these standard deviations, layer by layer, biases included."""

    def noise(tensor: Tensor, level: float) -> Tensor:
        return level * torch.randn(tensor.shape, generator=generator).to(tensor)

    pairs = [
        (noise(weight, level), None if bias is None else noise(bias, level))
        for weight, bias, level in zip(like.weights, like.biases, levels, strict=True)
    ]
    return Parameters(tuple(weight for weight, _ in pairs), tuple(bias for _, bias in pairs))


def _level(weight: Tensor) -> float:
    return noise_level(_singular_values(weight), *weight.shape)


def _upper(weight: Tensor) -> float:
    usual, level = 1 / math.sqrt(weight.shape[1]), _level(weight)
    return max(_LEAST * usual, level if min(weight.shape) >= NARROW else min(level, usual))


def _above_rounding(weight: Tensor) -> float:
    values = _singular_values(weight)
    return 0.0 if bulk_edge(values, *weight.shape) is None else noise_level(values, *weight.shape)


def _singular_values(weight: Tensor) -> Tensor:
    exact = weight.detach().double().cpu()
    gram = exact @ exact.T if len(exact) < exact.shape[1] else exact.T @ exact
    squares: Tensor = torch.linalg.eigvalsh(gram).flip(0)
    return squares.clamp_min(0).sqrt()
