"""kkt-loss: the weights as a signed sum of output gradients.

Weight decay makes training stop where the decay balances the loss, for any loss l and any architecture
(Buzaglo et al. 2023, eq. 9; no homogeneity is needed):

    theta = sum_i sum_c lambda_ic grad Phi_c(theta; x_i),   lambda_ic = -(1 / weight decay) dl / dPhi_c(x_i).

Lambda has a sign, one for every output, and takes the part of the labels, which the attacker need not know.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Equation, Inapplicable, Observation
from audit.equation.objective import Objective, every_output
from audit.equation.row_space import first_layer_space


class KktLoss(Attack):
    """Stationarity under weight decay, for any loss."""

    id = "kkt-loss"
    title = "Stationarity of a loss with weight decay"
    papers = "Buzaglo et al. 2023, arXiv 2307.01827"
    requires = "weights of a network trained with weight decay"
    source = "weights"

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Explain the weights where they are; whether they decayed does not show in them."""
        objective = stationary(seen)
        return Equation(
            self,
            objective,
            first_layer_space(objective),
            caveat="its theory supposes weight decay as part of the loss (L2), which the weights alone do not "
            "show",
        )


def stationary(seen: Observation) -> Objective:
    """Target and linearisation point are the weights themselves, and lambda has a sign."""
    return Objective(
        target=seen.network.parameters,
        source="weights",
        points=(seen.network,),
        readout=every_output,
        non_negative=False,
        linear_readout=True,
    )
