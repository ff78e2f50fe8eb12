"""polynomial-gradient: an observed gradient of a polynomial network, through the tensor of its batch.

The equation is that of `gradient`. Random weights are neurons in general position, so that the gradient determines
the tensor as soon as there are enough of them.
"""

from __future__ import annotations

from audit.attacks.base import Observation
from audit.attacks.gradient import Gradient
from audit.attacks.polynomial import CONDITION, SOURCE, left_open


class PolynomialGradient(Gradient):
    """A gradient that determines its data."""

    id = "polynomial-gradient"
    title = "Samples from the tensor that a gradient determines"
    source = SOURCE
    requires = f"as gradient (--gradient), of networks {CONDITION}"
    method = "tensor"

    def inapplicable(self, observation: Observation) -> str | None:
        """Need a polynomial network whose neurons are many enough."""
        if (reason := super().inapplicable(observation)) is not None:
            return reason
        return left_open(self, observation)
