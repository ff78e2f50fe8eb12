"""The gradients at many samples as one linear map, never written down as a matrix.

With z what enters a layer and s the derivatives of the activation behind it, all that the gradients of n samples
need is n vectors for every layer. From these follow, in two matrix products per layer and without the (p, n a k)
matrix,

    lambda -> sum_i sum_a sum_k lambda_iak grad_theta h_k(theta_a; x_i)      by going back through the layers,
    v      -> grad_theta h_k(theta_a; x_i) . v   for every i, a, k           by going forward through them,

the second being the derivative of the outputs when the parameters move along v. Samples are taken in blocks; sums
over blocks are in float64, products within a block in the precision of the network. The gradients of
every unit of the first layer can be given a factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from audit.equation.objective import Objective, Readout
from audit.model.activations import activation
from audit.model.network import Network
from audit.model.parameters import Parameters

_ROWS = 1024
"""Samples in a block."""
_ENTRIES = 2**25
"""Most numbers held at once for the derivatives of all scalars of a block."""


@dataclass(frozen=True, eq=False)
class _Block:
    """Some samples at one linearisation point."""

    point: Network
    entering: tuple[Tensor, ...]
    """z of every layer, (b, inputs)."""
    derivatives: tuple[Tensor, ...]
    """Of the activation after every layer but the last, (b, outputs)."""
    readout: Tensor
    """Derivative of the k scalars by the c outputs, (b, k, c)."""

    def back(self, outputs: Tensor) -> list[Tensor]:
        """Derivatives at the pre-activations of every layer, from those at the outputs (b, ..., c)."""
        found = [outputs]
        for weight, derivative in zip(self.point.weights[:0:-1], self.derivatives[::-1], strict=True):
            found.append(
                (found[-1] @ weight) * derivative.view(len(derivative), *[1] * (outputs.dim() - 2), -1)
            )
        return found[::-1]

    def along(self, tangent: Parameters) -> Tensor:
        """Derivative of the scalars (b, k) along a change of the parameters."""
        layers = zip(self.entering, tangent.weights, tangent.biases, strict=True)
        moved = [z @ weight.T if bias is None else z @ weight.T + bias for z, weight, bias in layers]
        change = moved[0]
        behind = zip(moved[1:], self.derivatives, self.point.weights[1:], strict=True)
        for own, derivative, weight in behind:
            change = own + (change * derivative) @ weight.T
        return torch.einsum("bkc,bc->bk", self.readout, change)


@dataclass(frozen=True, eq=False)
class GradientMap:
    """Gradients of the scalars of an objective at n fixed samples."""

    target: Parameters
    """Of the objective, for its layout."""
    blocks: tuple[tuple[_Block, ...], ...]
    """One tuple per block of samples, with one entry per point."""
    factors: Tensor
    """(h,) or (), for the gradients with respect to the weights and bias of every unit of the first layer."""

    @classmethod
    def of(
        cls, objective: Objective, inputs: Tensor, labels: Tensor | None, factors: Tensor | None = None
    ) -> GradientMap:
        """Pass samples (n, d), with labels (n,) where the readout needs any, through every point.

        `factors` (h,) are those of the first layer's units; None for 1.
        """
        blocks = []
        for start in range(0, len(inputs), _ROWS):
            rows = slice(start, start + _ROWS)
            some = None if labels is None else labels[rows]
            blocks.append(tuple(_block(a, objective.readout, inputs[rows], some) for a in objective.points))
        return cls(objective.target, tuple(blocks), torch.ones(()) if factors is None else factors)

    def combine(self, weights: Tensor) -> Parameters:
        """Sum of all gradients, each times its weight (n, a k), in float64 and the layout of the target."""
        total = self.target.map(lambda tensor: torch.zeros_like(tensor, dtype=torch.float64))
        for points, share in self._with(weights):
            for block, own in zip(points, share.chunk(len(points), dim=1), strict=True):
                derivatives = block.back(
                    torch.einsum("bk,bkc->bc", own.to(block.readout.dtype), block.readout)
                )
                parts = iter(total.tensors)
                for z, delta, bias in zip(block.entering, derivatives, block.point.biases, strict=True):
                    next(parts).add_(delta.T @ z)
                    if bias is not None:
                        next(parts).add_(delta.sum(0))
        return total.scale_units(self.factors)

    def along(self, change: Parameters) -> Tensor:
        """Inner products of all gradients with a change of the parameters: (n, a k) in float64."""
        like = self.blocks[0][0].point.weights[0]
        tangent = change.scale_units(self.factors).map(lambda tensor: tensor.to(like))
        rows = [torch.cat([block.along(tangent) for block in points], dim=1) for points in self.blocks]
        return torch.cat(rows).double()

    def own_products(self) -> Tensor:
        """Inner products among the gradients of each sample, (n, a k, a k) in float64."""
        return torch.cat([part for points in self.blocks for part in _own_products(points, self.factors)])

    def parts(self) -> list[list[tuple[Tensor, Tensor]]]:
        """By point and layer, what gradients are outer products of: z (n, inputs), derivatives (n, k, outputs)."""
        found = []
        for of_point in zip(*self.blocks, strict=True):
            derivatives = [block.back(block.readout) for block in of_point]
            layers = zip(
                map(torch.cat, zip(*(block.entering for block in of_point), strict=True)),
                map(torch.cat, zip(*derivatives, strict=True)),
                strict=True,
            )
            (z, delta), *others = layers
            found.append([(z, delta * self.factors.to(delta)), *others])
        return found

    def _with(self, weights: Tensor) -> Iterator[tuple[tuple[_Block, ...], Tensor]]:
        return zip(self.blocks, torch.split(weights, _ROWS), strict=True)


def _block(point: Network, readout: Readout, inputs: Tensor, labels: Tensor | None) -> _Block:
    activate = activation(point.activation).function
    with torch.no_grad():
        layers = point.layers(inputs)
    derivatives = []
    for _, pre in layers[:-1]:
        with torch.enable_grad():
            leaf = pre.requires_grad_()
            derivatives.append(torch.autograd.grad(activate(leaf, None).sum(), leaf)[0])
    with torch.enable_grad():
        outputs = layers[-1][1].requires_grad_()
        scalars = readout(outputs, labels).sum(0)
        rows = [torch.autograd.grad(scalar, outputs, retain_graph=True)[0] for scalar in scalars]
    return _Block(point, tuple(z.detach() for z, _ in layers), tuple(derivatives), torch.stack(rows, dim=1))


def _own_products(points: Sequence[_Block], factors: Tensor) -> Iterator[Tensor]:
    count, scalars, _ = points[0].readout.shape
    widest = max(tensor.shape[0] for tensor in points[0].point.weights)
    step = max(1, _ENTRIES // (widest * scalars * len(points)))
    for start in range(0, count, step):
        rows = slice(start, start + step)
        parts = [
            _Block(b.point, b.entering, tuple(s[rows] for s in b.derivatives), b.readout[rows])
            for b in points
        ]
        derivatives = [
            torch.stack(of_layer) for of_layer in zip(*(p.back(p.readout) for p in parts), strict=True)
        ]
        derivatives[0] = derivatives[0] * factors.to(derivatives[0])
        total = torch.zeros(
            len(derivatives[0][0]), len(points), scalars, len(points), scalars, dtype=torch.float64
        )
        for index, delta in enumerate(derivatives):
            z = torch.stack([block.entering[index][rows] for block in points])
            inputs = torch.einsum("ani,bni->nab", z, z) + float(points[0].point.biases[index] is not None)
            total += torch.einsum("ankj,bnlj,nab->nakbl", delta, delta, inputs)
        yield total.flatten(3).flatten(1, 2)
