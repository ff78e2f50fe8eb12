"""kkt-margin: the weights as a non-negative sum of margin gradients.

A homogeneous network trained on a logistic-type loss converges in direction to a KKT point of the max-margin
problem (Lyu and Li 2019):

    theta = sum_i lambda_i grad margin_i(theta),   lambda_i >= 0, and > 0 only for samples on the margin.

The margin is y Phi(x) with y = -1 or 1 for one output (Haim et al. 2022, eq. 5), and
Phi_y(x) - max_{c != y} Phi_c(x) for several (Buzaglo et al. 2023, eq. 6). Labels of candidates are unknown to
the attacker: half and half for one output, equal shares for several.
"""

from __future__ import annotations

import torch
from torch import Tensor

from audit.attacks.base import Attack, Equation, Inapplicable, Labels, Observation
from audit.equation.objective import Objective
from audit.equation.row_space import first_layer_space
from audit.model.activations import activation
from audit.model.network import Network


def margin(outputs: Tensor, labels: Tensor | None) -> Tensor:
    """Margin of every candidate, (..., m, 1), from outputs (..., m, c) and labels (..., m)."""
    if labels is None:
        raise ValueError("a margin needs labels")
    labels = labels.expand(outputs.shape[:-1]).unsqueeze(-1)
    if outputs.shape[-1] == 1:
        return outputs * (2 * labels - 1)
    own = outputs.gather(-1, labels)
    others = outputs.scatter(-1, labels, -torch.inf)
    return own - others.amax(-1, keepdim=True)


class KktMargin(Attack):
    """Stationarity of the max-margin problem, for classifiers trained to fit their data."""

    id = "kkt-margin"
    title = "KKT conditions of the maximum margin"
    papers = "Haim et al. 2022, arXiv 2206.07758; Buzaglo et al. 2023, arXiv 2307.01827"
    requires = "weights of a classifier"
    source = "weights"

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Explain the weights where they are; whether they are a classifier's does not show in them.

        Classes are two for one output, otherwise one per output.
        """
        network = seen.network
        objective = Objective(
            target=network.parameters,
            source=self.source,
            points=(network,),
            readout=margin,
            non_negative=True,
            linear_readout=network.outputs == 1,
        )
        classes = torch.arange(max(network.outputs, 2), device=seen.low.device)
        space = first_layer_space(objective)
        return Equation(self, objective, space, Labels(classes), _explain_inhomogeneity(network))


def _explain_inhomogeneity(network: Network) -> str | None:
    """Say when the network is not homogeneous, which the theory needs; None if it is."""
    if activation(network.activation).degree is None:
        return f"{network.activation} is not homogeneous: the KKT conditions need not hold even in the limit"
    if any(bias is not None for bias in network.biases[1:]):
        return "biases after the first layer break homogeneity: the KKT conditions hold approximately"
    return None
