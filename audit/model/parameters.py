"""Weights and biases as one vector: what a network has, and what its gradients and tangents are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of an MLP, or any vector in their space. Every tensor may carry leading batch dimensions."""

    weights: tuple[Tensor, ...]
    """(..., outputs, inputs) of every layer, first to last."""
    biases: tuple[Tensor | None, ...]
    """(..., outputs) of every layer, or None."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, layer by layer: weight, then bias if there is one."""
        pairs = zip(self.weights, self.biases, strict=True)
        return tuple(tensor for pair in pairs for tensor in pair if tensor is not None)

    @property
    def size(self) -> int:
        """p, the number of entries."""
        return sum(tensor.numel() for tensor in self.tensors)

    @property
    def norm(self) -> float:
        """Euclidean, of all entries."""
        return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in self.tensors))

    def rebuild(self, tensors: Iterable[Tensor]) -> Parameters:
        """Others of the same layout, in the order of `tensors`.

        Raises
        ------
        StopIteration
            If there are fewer tensors than the layout has.
        """
        rest = iter(tensors)
        weights, biases = [], []
        for bias in self.biases:
            weights.append(next(rest))
            biases.append(None if bias is None else next(rest))
        return Parameters(tuple(weights), tuple(biases))

    def map(self, function: Callable[[Tensor], Tensor]) -> Parameters:
        """Apply a function to every tensor."""
        return self.rebuild(map(function, self.tensors))

    def __add__(self, other: Parameters) -> Parameters:
        """Sum of two of one layout."""
        return self.rebuild(map(torch.add, self.tensors, other.tensors))

    def __sub__(self, other: Parameters) -> Parameters:
        """Difference of two of one layout."""
        return self.rebuild(map(torch.sub, self.tensors, other.tensors))

    def times(self, factor: float) -> Parameters:
        """Multiply every entry."""
        return self.map(lambda tensor: factor * tensor)

    def flatten(self) -> Tensor:
        """All entries as one vector, (p,), in the order of `tensors`."""
        return torch.cat([tensor.flatten() for tensor in self.tensors])

    def first_layer(self, *, augmented: bool) -> Tensor:
        """Weights of the first layer, (h, d); augmented, with its bias, if any, as one more column."""
        return _layer(self.weights[0], self.biases[0], augmented=augmented)

    def last_layer(self, *, augmented: bool) -> Tensor:
        """Likewise of the last layer."""
        return _layer(self.weights[-1], self.biases[-1], augmented=augmented)

    def with_first_weight(self, weight: Tensor) -> Parameters:
        """Replace the weights of the first layer by others, which may take other inputs."""
        return replace(self, weights=(weight, *self.weights[1:]))

    def scale_units(self, factors: Tensor) -> Parameters:
        """Multiply weights and bias of every unit of the first layer by its factor, (h,) or ()."""
        (weight, *weights), (bias, *biases) = self.weights, self.biases
        factors = factors.to(weight)
        first = None if bias is None else bias * factors
        return Parameters((weight * factors.view(-1, 1), *weights), (first, *biases))

    def hidden_subset(self, units: Tensor) -> Parameters:
        """Keep only some hidden units, by index (u,), of two layers."""
        first, second = self.weights
        bias, last = self.biases
        return Parameters(
            (first[..., units, :], second[..., units]), (None if bias is None else bias[..., units], last)
        )


def _layer(weight: Tensor, bias: Tensor | None, *, augmented: bool) -> Tensor:
    return weight if bias is None or not augmented else torch.cat([weight, bias[..., None]], -1)
