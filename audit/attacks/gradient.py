"""gradient: an observed gradient as a signed sum of output gradients, where it was taken.

A step of training on a batch shows, by the chain rule, for any loss l (Zhu et al. 2019 match it likewise, with
labels as further unknowns):

    grad L(theta) = sum_i sum_c lambda_ic grad Phi_c(theta; x_i),   lambda_ic = (1 / b) dl / dPhi_c(x_i).

Lambda has a sign, one for every output, and takes the part of loss and labels. It is free, so that neither the
size of the batch nor the learning rate of an update matters. A gradient that was taken elsewhere, clipped or noised
shows in the loss.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Equation, Inapplicable, Observation
from audit.equation.objective import Objective, every_output
from audit.equation.row_space import first_layer_space


class Gradient(Attack):
    """Gradient matching for a batch."""

    id = "gradient"
    title = "Match of an observed gradient"
    papers = "Zhu et al. 2019, arXiv 1906.08935; Geiping et al. 2020, arXiv 2003.14053"
    requires = "the weights, and a gradient or an update of one batch taken at them (--gradient)"
    source = "gradient"

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Explain the observed gradient where it was taken."""
        return match_gradient(self, seen)


def match_gradient(attack: Attack, seen: Observation) -> Equation | Inapplicable:
    """Equation whose target is the observed gradient, if that stands out of its noise in the first layer."""
    gradient = seen.gradient
    if gradient is None:
        return Inapplicable("needs an observed gradient or update: pass --gradient")
    if not any(bool(tensor.any()) for tensor in gradient.tensors):
        return Inapplicable("the observed gradient is zero everywhere: it holds nothing")
    if not gradient.weights[0].any():
        return Inapplicable(
            "the gradient of the first layer is zero everywhere: it holds nothing of the inputs"
        )
    objective = Objective(
        target=gradient,
        source=attack.source,
        points=(seen.network,),
        readout=every_output,
        non_negative=False,
        linear_readout=True,
    )
    space = first_layer_space(objective)
    if not space.signals:
        return Inapplicable("nothing in the gradient of the first layer stands out of its noise")
    return Equation(attack, objective, space)
