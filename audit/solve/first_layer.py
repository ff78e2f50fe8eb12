"""What the gradient of a first layer says of its batch: a space for the derivatives, and one for the inputs.

The target's first block is D X with inputs X (b, r) in reduced coordinates and derivatives D (h, b) of the loss at
the first pre-activations; that of the bias is D 1. So derivatives are combinations of its left singular vectors U
(h, b), D = U Q, and inputs of its right ones: X = Q^-1 diag(S) V^T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import jvp

from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.model.activations import activation
from audit.model.network import Network

_ROUNDING = torch.finfo(torch.float32).eps
_DEVIATIONS = 50
"""Errors of the worst of a thousand pixels are four; rounding is not as even as that, and directions have errors
of their own. Measured up to 50 on MNIST, 8 and 16 samples; 130 with GELU and no noise, where errors are 1e-5."""


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """The first block of a target, in float64."""

    network: Network
    """Where the gradient was taken, calibrated."""
    left: Tensor
    """U, (h, b)."""
    fresh: Tensor
    """(h, b - k) orthonormal: what of U's span is not that of k samples already known."""
    values: Tensor
    """S, (b,)."""
    right: Tensor
    """V^T, (b, r)."""
    bias: Tensor | None
    """D 1, (h,)."""
    spread: float
    """Standard deviation of the noise in an entry of the block."""
    size: float
    """Root mean square of one coordinate of a typical input."""

    @property
    def samples(self) -> int:
        """Return b."""
        return len(self.right)

    def exclude(self, directions: Tensor) -> FirstLayer:
        """Keep `fresh` outside the derivatives U q of known samples, q in directions (b, k)."""
        span = torch.linalg.qr(directions, mode="complete").Q
        return replace(self, fresh=self.left @ span[:, directions.shape[1] :])

    def inputs(self, unknowns: Tensor) -> Tensor:
        """(..., r) that unknowns (..., b + c) stand for: coordinates in V^T in units of `size`, then e."""
        inputs: Tensor = self.size * unknowns[..., : self.samples] @ self.right
        return inputs

    def derivatives(self, unknowns: Tensor, sharpness: float | None) -> Tensor:
        """Unit delta(x, e) = (d Phi / d a)^T e, (h,), of one sample (b + c,) at its first pre-activations a."""
        function = activation(self.network.activation).function
        ahead = [pre[0] for _, pre in self.network.layers(self.inputs(unknowns)[None], sharpness)[:-1]]
        derivatives = unknowns[self.samples :]
        backward = zip(self.network.weights[1:], ahead, self.network.scales, strict=True)
        for weight, pre, unit in reversed(list(backward)):
            beta = None if sharpness is None else sharpness / unit
            derivative = jvp(lambda a, beta=beta: function(a, beta), (pre,), (torch.ones_like(pre),))[1]
            derivatives = derivative * (weight.T @ derivatives)
        unit_derivatives: Tensor = derivatives / derivatives.norm()
        return unit_derivatives

    def outside(self, unknowns: Tensor, sharpness: float | None) -> Tensor:
        """Part (h,) of the derivatives of one sample outside the span of U, over the length of their fresh part."""
        derivatives = self.derivatives(unknowns, sharpness)
        outside: Tensor = (derivatives - self.left @ (self.left.T @ derivatives)) / (
            self.fresh.T @ derivatives
        ).norm()
        return outside

    def solve(self, directions: Tensor, bias: Tensor) -> Tensor:
        """Inputs (b, r) of independent directions Q (b, b), of any length: the bias D 1, (h,), fixes it."""
        scales = torch.linalg.lstsq(self.left @ directions, bias[:, None]).solution[:, 0]
        inverse: Tensor = torch.linalg.pinv(directions * scales)
        return inverse @ (self.values[:, None] * self.right)

    def errors(self, inputs: Tensor, directions: Tensor) -> Tensor:
        """What to expect of the worst pixel of every input (b, r), given directions (b, b) of any length: (b,)."""
        inverse: Tensor = torch.linalg.pinv(directions)
        scales = ((inverse * self.values) @ self.right * inputs).sum(1) / inputs.square().sum(1)
        errors: Tensor = _DEVIATIONS * self.spread * inverse.norm(dim=1) / scales.abs()
        return errors


def first_layer(
    objective: Objective, samples: int, noise: float, pixels: int, typical_norm: float
) -> FirstLayer:
    """Take the first block of a calibrated objective apart.

    Parameters
    ----------
    objective:
        In reduced coordinates, of one point, in float64.
    samples:
        b.
    noise:
        Norm of noise in the block relative to the block; never taken to be below that of single precision.
    pixels:
        d.
    typical_norm:
        Of an input.
    """
    network = objective.points[0]
    block = objective.target.weights[0]
    left, values, right = torch.linalg.svd(block, full_matrices=False)
    return FirstLayer(
        network=network,
        left=left[:, :samples],
        fresh=left[:, :samples],
        values=values[:samples],
        right=right[:samples],
        bias=objective.target.biases[0],
        spread=max(noise, _ROUNDING) * float(block.norm()) / math.sqrt(len(block) * pixels),
        size=typical_norm / math.sqrt(samples),
    )


def last_layer_weights(objective: Objective, entering: Tensor) -> Tensor:
    """Lambda (b, c) by least squares from the last layer, whose gradient is the sum of lambda times its inputs."""
    if objective.target.biases[-1] is not None:
        entering = torch.cat([entering, torch.ones_like(entering[:, :1])], 1)
    inverse: Tensor = torch.linalg.pinv(entering.T)
    return inverse @ objective.target.last_layer(augmented=True).T


def with_last_layer_weights(objective: Objective, inputs: Tensor) -> Candidates:
    """One restart of inputs (b, r) with such lambda."""
    with torch.no_grad():
        entering = objective.points[0].layers(inputs)[-1][0]
        return Candidates(inputs[None], last_layer_weights(objective, entering)[None], None)


def in_double(objective: Objective) -> Objective:
    """Return the same equation in double precision."""
    points = tuple(point.at(point.parameters.map(torch.Tensor.double)) for point in objective.points)
    return replace(objective, target=objective.target.map(torch.Tensor.double), points=points)
