"""moment-tensor: the batch behind an observed gradient, from the moments of a first layer that was drawn at random.

The equation is that of `gradient`. At random weights u_k of hidden unit k, by Stein's identity (Wang, Lee and Lei
2022; e_ic the derivative of the loss by output c, for sample i),

    E[dL/da_ck He_p(u_k)] = sum_i e_ic E[sigma^(p)(u . x_i)] x_i^{(x)p},

so that moments over hidden units of order p = 2 (of three outputs or more), 3 or 4 have the samples as common
components. Which orders there are depends on the activation: ReLU, GELU, SiLU and softplus are an even function and
a line, and have no third one. `solve.hermite` says how moments are measured; descent goes on from there.
"""

from __future__ import annotations

import math

import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor

from audit.attacks.base import Attack, Equation, Inapplicable, Method, Observation
from audit.attacks.gradient import match_gradient
from audit.equation.row_space import RowSpace
from audit.model.activations import activation

_EQUATIONS = 2.0
"""Equations per unknown moment, at the least: with fewer the moments measured are not those of the batch."""
_MOST_MOMENTS = 2500
"""Of one output, that are solved for."""
_ZERO = 1e-6
"""Part of an activation, in its norm, that counts as none."""
_NODES = 64
_WIDER = 1.5
"""Spread of the weights along one direction, in what chance would give at most."""


class MomentTensor(Attack):
    """Gradient matching from a start that random weights give away."""

    id = "moment-tensor"
    title = "Match of an observed gradient, from the moments of random weights"
    papers = "Wang, Lee, Lei 2022, arXiv 2212.03714"
    requires = "as gradient (--gradient), taken where the first of two layers is still as it was drawn"
    source = "gradient"
    method = Method.MOMENTS

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Need a random first layer of enough units, and an activation with moments."""
        found = match_gradient(self, seen)
        if isinstance(found, Inapplicable):
            return found
        if len(seen.network.weights) != 2:
            return Inapplicable(f"reads the moments of two layers, not of {len(seen.network.weights)}")
        if not found.objective.target.weights[1].any():
            return Inapplicable("the gradient of the last layer is zero everywhere: it holds no moments")
        reason = _explain_missing_moments(seen, found.space)
        return Inapplicable(reason) if reason else found


def _explain_missing_moments(seen: Observation, space: RowSpace) -> str | None:
    """Why the units of the first layer do not say what the moments of the batch are, or None if they do."""
    network, rank = seen.network, space.signals
    places = (network.weights[0] @ space.basis[:, :rank]).double()
    if (found := _far_from_random(places)) is not None:
        return f"the first layer does not look as if just drawn at random: its weights {found}"
    size = float(places.square().mean().sqrt() * (seen.high - seen.low).norm() / 4)
    orders = [order for order in _orders(network.activation, size) if order > 2 or network.outputs > 2]
    if not orders:
        return f"{network.activation} with {network.outputs} output(s) has no moments that tell samples apart"
    moments, units = math.comb(rank + orders[0], orders[0]), len(places)
    needed = math.ceil(_EQUATIONS * moments * network.outputs / (network.outputs + rank))
    if moments > _MOST_MOMENTS or units < needed:
        return (
            f"the gradient of the first layer has rank {rank}, whose moments of order {orders[0]} need "
            f"{needed} hidden units and at most {_MOST_MOMENTS} coefficients: {units} and {moments} are there"
        )
    return None


def _far_from_random(places: Tensor) -> str | None:
    """What makes points (K, r) unlike a sample of an isotropic Gaussian around zero, if anything does.

    Of K random weights the mean is within 1 / sqrt(K) of zero, in standard deviations, and their covariance has no
    eigenvalue beyond Marchenko and Pastur's edge (1 + sqrt(r / K))^2. Training moves both.
    """
    units, rank = places.shape
    if units < 2:
        return "are too few to tell"
    variance = places.var(0).mean()
    mean = float((places.mean(0).square().mean() * units / variance).sqrt())
    if not mean < 1 + 3 / math.sqrt(rank):
        return f"have a mean {mean:.1f} times what chance gives"
    largest = float(torch.linalg.eigvalsh(torch.cov(places.T).reshape(rank, rank))[-1] / variance)
    if largest > _WIDER * (1 + math.sqrt(rank / units)) ** 2:
        return f"have {largest:.1f} times their mean variance along one direction"
    return None


def _orders(name: str, size: float) -> list[int]:
    """Orders from 2 to 4 of which an activation has a moment, at Gaussian pre-activations of `size`."""
    nodes, weights = (torch.from_numpy(part) for part in hermegauss(_NODES))
    values = activation(name).function(size * nodes, None)
    polynomials = {2: nodes**2 - 1, 3: nodes**3 - 3 * nodes, 4: nodes**4 - 6 * nodes**2 + 3}
    least = _ZERO * math.sqrt(float(weights.sum() * (weights * values.square()).sum()))
    return [
        order
        for order, polynomial in polynomials.items()
        if abs(float((weights * values * polynomial).sum())) > least * math.sqrt(math.factorial(order))
    ]
