"""polynomial-delta: how the weights of a polynomial network changed, through the tensor of its data.

The equation is that of `weight-delta` with gradients taken where training began, and only there: it holds as far as
the weights moved little. Random weights are neurons in general position, so that the change determines the tensor
as soon as there are enough of them.
"""

from __future__ import annotations

from audit.attacks.base import Observation
from audit.attacks.polynomial import CONDITION, SOURCE
from audit.attacks.weight_delta import WeightDelta
from audit.identifiability import undetermined
from audit.objective import Objective, every_output


class PolynomialDelta(WeightDelta):
    """A change that determines its data."""

    id = "polynomial-delta"
    title = "Samples from the tensor that the change of the weights determines"
    source = SOURCE
    requires = f"as weight-delta (--initial), of networks {CONDITION}"
    method = "tensor"

    def inapplicable(self, observation: Observation) -> str | None:
        """Need a polynomial network whose neurons are many enough."""
        if (reason := super().inapplicable(observation)) is not None:
            return reason
        return undetermined(self.objective(observation), "the change")

    def objective(self, observation: Observation) -> Objective:
        """Target is the change; the anchor is the initial weights."""
        initial = observation.initial
        assert initial is not None
        return Objective(
            target=super().objective(observation).target,
            anchors=(initial,),
            head=every_output,
            non_negative=False,
            linear_head=True,
        )
