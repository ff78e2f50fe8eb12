"""polynomial-gradient: an observed gradient of a polynomial network, through the tensor of its batch.

The equation is that of `gradient`. Random weights are neurons in general position, so that the gradient determines
the tensor as soon as there are enough of them.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Equation, Inapplicable, Method, Observation
from audit.attacks.gradient import match_gradient
from audit.attacks.polynomial import CONDITION, PAPERS, determine_tensor


class PolynomialGradient(Attack):
    """A gradient that determines its data."""

    id = "polynomial-gradient"
    title = "Samples from the tensor that a gradient determines"
    papers = PAPERS
    requires = f"as gradient (--gradient), of networks {CONDITION}"
    source = "gradient"
    method = Method.TENSOR

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Need a polynomial network whose neurons are many enough."""
        found = match_gradient(self, seen)
        return found if isinstance(found, Inapplicable) else determine_tensor(self, [found.objective])
