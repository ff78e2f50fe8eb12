"""gradient: an observed gradient as a signed sum of output gradients, where it was taken.

A step of training on a batch shows, by the chain rule, for any loss l (Zhu et al. 2019 match it likewise, with
labels as further unknowns):

    grad L(theta) = sum_i sum_c lambda_ic grad Phi_c(theta; x_i),   lambda_ic = (1 / b) dl / dPhi_c(x_i).

Lambda has a sign, one for every output, and takes the part of loss and labels. It is free, so that neither the
size of the batch nor the learning rate of an update matters.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Observation
from audit.equation.objective import Objective, every_output
from audit.equation.row_space import row_space


class Gradient(Attack):
    """Gradient matching for a batch."""

    id = "gradient"
    title = "Match of an observed gradient"
    source = "Zhu et al. 2019, arXiv 1906.08935; Geiping et al. 2020, arXiv 2003.14053"
    requires = "the weights, and a gradient or an update of one batch taken at them (--gradient)"
    needs_gradient = True

    def inapplicable(self, observation: Observation) -> str | None:
        """Need an observed gradient whose first layer is not all zeros."""
        if observation.gradient is None:
            return "needs an observed gradient or update: pass --gradient"
        if not any(bool(tensor.any()) for tensor in observation.gradient.tensors):
            return "the observed gradient is zero everywhere: it holds nothing"
        if not observation.gradient.weights[0].any():
            return "the gradient of the first layer is zero everywhere: it holds nothing of the inputs"
        if not row_space(observation.gradient.weights[0], gradient=True).signals:
            return "nothing in the gradient of the first layer stands out of its noise"
        return None

    def caveat(self, observation: Observation) -> str | None:
        """Say nothing: a gradient that was taken elsewhere, clipped or noised shows in the loss."""
        return None

    def objective(self, observation: Observation) -> Objective:
        """Target is the observed gradient; the anchor is where it was taken."""
        assert observation.gradient is not None
        return Objective(
            target=observation.gradient.tensors,
            anchors=(observation.network,),
            head=every_output,
            non_negative=False,
            linear_head=True,
        )

    def classes(self, observation: Observation) -> int:
        """Need no labels."""
        return 0
