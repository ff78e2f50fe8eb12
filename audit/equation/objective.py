"""The one equation that every optimisation-based attack solves (audit/docs/methods.md, equation (1)).

    minimise over candidates {(x_j, lambda_j)}   || tau - sum_j sum_a lambda_ja grad_theta h(theta_a; x_j) ||^2

An attack chooses the target tau, the linearisation points theta_a, at which gradients are taken, and the readout h,
what of the outputs is differentiated. The rest of
the project needs `residual` only; gradients come from automatic differentiation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from audit.equation.candidates import Candidates
from audit.model.modality import Source
from audit.model.network import Network
from audit.model.parameters import Parameters

_LEAST_SCALE = 0.1
"""Length of the scaled sum relative to the target."""

Readout = Callable[[Tensor, Tensor | None], Tensor]
"""(outputs (..., m, c), labels (..., m) or None) -> scalars (..., m, k) whose gradients are summed."""


def every_output(outputs: Tensor, labels: Tensor | None) -> Tensor:
    """Readout of the attacks that know no labels: all outputs, (..., m, c), each with a lambda of its own."""
    return outputs


@dataclass(frozen=True, eq=False)
class Objective:
    """tau - sum_j sum_a lambda_ja grad h(theta_a; x_j), and what is needed to evaluate it."""

    target: Parameters
    """tau, in the layout of the network."""
    source: Source
    """What tau is: it decides what counts as noise in it."""
    points: tuple[Network, ...]
    """Linearisation points: networks at whose parameters gradients are taken; they share one layout."""
    readout: Readout
    """What is differentiated."""
    non_negative: bool
    """Whether lambda must not be negative."""
    linear_readout: bool
    """Whether the readout is linear in the outputs."""
    scale_free: bool = False
    """Whether the sum is multiplied by what suits the target best. The relative loss is then 1 - cos^2 of the angle
    between both: the cosine distance of Geiping et al. 2020, as squares."""

    @property
    def size(self) -> int:
        """p, the number of parameters."""
        return self.target.size

    @cached_property
    def target_norm(self) -> float:
        """||tau||."""
        return self.target.norm

    @property
    def separable(self) -> bool:
        """Whether the equations of different hidden units are independent of each other.

        In a network of two layers, the gradient of an output that belongs to a hidden unit depends on no other
        unit (audit/docs/methods.md, equation (11)); so does that of a readout which is linear in the outputs.
        """
        return self.linear_readout and all(len(point.weights) == 2 for point in self.points)

    def hidden_subset(self, units: Tensor) -> Objective:
        """Only the equations of some hidden units, by index (u,), of a separable objective."""
        return replace(
            self,
            target=self.target.hidden_subset(units),
            points=tuple(point.at(point.parameters.hidden_subset(units)) for point in self.points),
        )

    def residual(self, candidates: Candidates, sharpness: float | None = None) -> Tensor:
        """Tau minus the sum over candidates.

        Parameters
        ----------
        candidates:
            inputs (..., m, r); weights (..., m, a * k) for a points and k readout outputs; labels (..., m).
        sharpness:
            Sharpness of the smooth activation; None for the activation itself.

        Returns
        -------
        Tensor
            (..., p), differentiable in inputs and weights.
        """
        batch = candidates.inputs.shape[:-2]
        shares = candidates.weights.chunk(len(self.points), dim=-1)
        differentiable = torch.is_grad_enabled()
        rest = self.target
        for point, weights in zip(self.points, shares, strict=True):
            with torch.enable_grad():
                # Leaves of their own per restart, so that the sum over candidates is taken within each.
                leaves = point.parameters.map(lambda t: t.expand(*batch, *t.shape).clone().requires_grad_())
                outputs = point.at(leaves).forward(candidates.inputs, sharpness)
                total = (weights * self.readout(outputs, candidates.labels)).sum()
            gradients = torch.autograd.grad(total, leaves.tensors, create_graph=differentiable)
            rest = rest - leaves.rebuild(gradients)
        residual = torch.cat([tensor.reshape(*batch, -1) for tensor in rest.tensors], dim=-1)
        return self._scaled(residual) if self.scale_free else residual

    def _scaled(self, residual: Tensor) -> Tensor:
        """Residual with the sum scaled, but not to nothing: where it points elsewhere it must turn."""
        target = self.target.flatten()
        total = target - residual
        with torch.no_grad():  # at the best scale the loss does not depend on it
            squares = total.square().sum(-1, keepdim=True).clamp_min(torch.finfo(total.dtype).tiny)
            best = (total * target).sum(-1, keepdim=True) / squares
            scale = best.maximum(_LEAST_SCALE * target.norm() / squares.sqrt())
        return target - scale * total

    def relative_loss(self, candidates: Candidates, sharpness: float | None = None) -> Tensor:
        """Squared residual over squared target norm, (...): 1 with no candidates, 0 when solved."""
        return self.residual(candidates, sharpness).square().sum(-1) / self.target_norm**2
