"""kkt-loss: the weights as a signed sum of output gradients.

Weight decay makes training stop where the decay balances the loss, for any loss l and any architecture
(Buzaglo et al. 2023, eq. 9; no homogeneity is needed):

    theta = sum_i sum_c lambda_ic grad Phi_c(theta; x_i),   lambda_ic = -(1 / weight decay) dl / dPhi_c(x_i).

Lambda has a sign, one for every output, and takes the part of the labels, which the attacker need not know.
"""

from __future__ import annotations

from audit.attacks.base import Attack, Observation
from audit.equation.objective import Objective, every_output


class KktLoss(Attack):
    """Stationarity under weight decay, for any loss."""

    id = "kkt-loss"
    title = "Stationarity of a loss with weight decay"
    source = "Buzaglo et al. 2023, arXiv 2307.01827"
    requires = "weights of a network trained with weight decay"

    def inapplicable(self, observation: Observation) -> str | None:
        """Apply to every network: whether its weights decayed does not show in them."""
        return None

    def caveat(self, observation: Observation) -> str | None:
        """Weight decay does not show in the weights."""
        return (
            "its theory supposes weight decay as part of the loss (L2), which the weights alone do not show"
        )

    def objective(self, observation: Observation) -> Objective:
        """Target and anchor are the weights themselves."""
        network = observation.network
        return Objective(
            target=network.tensors,
            anchors=(network,),
            head=every_output,
            non_negative=False,
            linear_head=True,
        )

    def classes(self, observation: Observation) -> int:
        """Need no labels."""
        return 0
