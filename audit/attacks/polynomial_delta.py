"""polynomial-delta: how the weights of a polynomial network changed, through the tensor of its data.

The equation is that of `weight-delta` with gradients taken at one place only, so that it holds as far as the
weights moved little. Random weights are neurons in general position, so that the change determines the tensor as
soon as there are enough of them.

Gradients are taken halfway. Along a path of training they change in proportion to what was travelled, and where all
samples are learnt at one rate the mean of them is that of the middle, but for terms of second order. One step is
exact where it began. So the place that leaves less unexplained is taken. Of 64 networks
(`tests/benchmarks/results/polynomials.md`) 63 left less unexplained halfway than at the start, in the median a
fifth; 52 determined their tensor, against 30, and 519 of 640 samples were found, against 316.
"""

from __future__ import annotations

from dataclasses import replace

from audit.attacks.base import Attack, Equation, Inapplicable, Method, Observation
from audit.attacks.polynomial import CONDITION, PAPERS, determine_tensor
from audit.attacks.weight_delta import explain_change


class PolynomialDelta(Attack):
    """A change that determines its data."""

    id = "polynomial-delta"
    title = "Samples from the tensor that the change of the weights determines"
    papers = PAPERS
    requires = f"as weight-delta (--initial), of networks {CONDITION}"
    source = "change"
    method = Method.TENSOR

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Need a polynomial network whose neurons are many enough.

        The linearisation point is halfway, or where training began if that explains more.
        """
        change = explain_change(seen)
        if isinstance(change, Inapplicable):
            return change
        final, initial = change.points
        middle = initial.at((initial.parameters + final.parameters).times(0.5))
        return determine_tensor(self, [replace(change, points=(point,)) for point in (middle, initial)])
