"""weight-delta: the change of the weights as a signed sum of output gradients, before and after training.

Where training moves the weights little, their change is spanned by gradients taken where it began, and where it
ended (Loo et al. 2024, section 4, which combines both):

    theta_final - theta_initial = sum_i sum_c ( lambda_ic grad Phi_c(theta_final; x_i)
                                              + lambda'_ic grad Phi_c(theta_initial; x_i) ).

The initial weights are a published initialisation, a known seed, or the public model that was fine-tuned.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Equation, Inapplicable, Observation
from audit.equation.objective import Objective, every_output
from audit.equation.row_space import first_layer_space


class WeightDelta(Attack):
    """Change of the weights from a known start."""

    id = "weight-delta"
    title = "Change of the weights from a known start"
    papers = "Loo et al. 2024, arXiv 2302.01428"
    requires = "weights, and the initial weights or the public base model (--initial)"
    source = "change"

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Explain the change by gradients at the final and at the initial weights."""
        objective = explain_change(seen)
        if isinstance(objective, Inapplicable):
            return objective
        return Equation(self, objective, first_layer_space(objective))


def explain_change(seen: Observation) -> Objective | Inapplicable:
    """Target is the change, of the first layer too; linearisation points are the final and initial weights."""
    initial, final = seen.initial, seen.network
    if initial is None:
        return Inapplicable(
            "needs the weights from before training, or the public base model: pass --initial"
        )
    pairs = zip(initial.parameters.tensors, final.parameters.tensors, strict=True)
    first, *others = [bool((before != after).any()) for before, after in pairs]
    if not first and not any(others):
        return Inapplicable("the initial weights are those of the checkpoint: nothing changed")
    if not first:
        return Inapplicable(
            "the first layer is as it was before training: its change holds nothing of the inputs"
        )
    return Objective(
        target=final.parameters - initial.parameters,
        source="change",
        points=(final, initial),
        readout=every_output,
        non_negative=False,
        linear_readout=True,
    )
