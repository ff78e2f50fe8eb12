"""gradient-cosine: the direction of an observed gradient as that of cross-entropy, with labels from its last bias.

Lambda is tied to softmax(Phi) - onehot(y), by the head: the loss of every candidate at its label. Its scale is left
open, for learning rates, clipping and the size of the batch change nothing but the length of a gradient, so that
the distance is that of directions (Geiping et al. 2020). Labels follow from the gradient of the last bias, which is

    dL / db_c = mean_i softmax_c(Phi(x_i)) - n_c / b        (n_c samples of class c; Zhao et al. 2020 for b = 1),

the mean being taken over typical noise instead of the batch that nobody knows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from audit.attacks.base import Observation
from audit.attacks.gradient import Gradient
from audit.equation.objective import Objective
from audit.equation.row_space import row_space
from audit.model.network import Network

_TYPICAL = 64
"""Inputs over which softmax is averaged."""


class GradientCosine(Gradient):
    """Gradient matching by cosine distance, for cross-entropy with labels that the gradient gives away."""

    id = "gradient-cosine"
    title = "Match of an observed gradient's direction, with labels from its last bias"
    source = "Geiping et al. 2020, arXiv 2003.14053; Zhao et al. 2020, arXiv 2001.02610"
    requires = "as gradient (--gradient), of cross-entropy and a network with a bias in its last layer"

    def inapplicable(self, observation: Observation) -> str | None:
        """Need the gradient of a last bias."""
        if (reason := super().inapplicable(observation)) is not None:
            return reason
        assert observation.gradient is not None
        bias = observation.gradient.biases[-1]
        if bias is None:
            return "the last layer has no bias, whose gradient gives the labels away"
        if not bias.any():
            return "the gradient of the last bias is zero everywhere: it does not give the labels away"
        return None

    def caveat(self, observation: Observation) -> str | None:
        """Name the labels."""
        if observation.gradient is None:
            return None
        counts = ", ".join(
            f"{label} ({count})" for label, count in enumerate(_counts(observation).tolist()) if count
        )
        return (
            f"its theory supposes cross-entropy; labels taken from the last bias, with their number: {counts}"
        )

    def objective(self, observation: Observation) -> Objective:
        """Target is the observed gradient; the head is the loss, so that lambda is a weight of samples."""
        assert observation.gradient is not None
        return Objective(
            target=observation.gradient.tensors,
            anchors=(observation.network,),
            head=cross_entropy,
            non_negative=True,
            linear_head=False,
            scale_free=True,
        )

    def labels(self, observation: Observation, count: int) -> Tensor | None:
        """(count,) class numbers as often as the last bias says, again and again."""
        counts = _counts(observation)
        batch = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return batch.repeat(-(-count // len(batch)))[:count].to(observation.low.device)


def cross_entropy(outputs: Tensor, labels: Tensor | None) -> Tensor:
    """Head: the loss (..., m, 1) of outputs (..., m, c) at labels (..., m), of the logistic kind for c = 1."""
    assert labels is not None
    logits = _logits(outputs)
    losses = functional.log_softmax(logits, -1)
    return -losses.gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1))


def _logits(outputs: Tensor) -> Tensor:
    """One for every class: a single output is that of class 1, beside 0."""
    return torch.cat([torch.zeros_like(outputs), outputs], -1) if outputs.shape[-1] == 1 else outputs


def _counts(observation: Observation) -> Tensor:
    """Number of samples of every class, (classes,), which add up to the rank of the gradient's first layer."""
    network, gradient = observation.network, observation.gradient
    assert gradient is not None
    space = row_space(gradient.weights[0], gradient=True)
    batch = max(space.signals, 1)
    bias = gradient.biases[-1]
    slope = torch.zeros(network.outputs) if bias is None else bias.detach().cpu()
    if len(slope) == 1:
        slope = torch.cat([-slope, slope])
    expected = (batch * (_mean_softmax(network, observation, space.basis) - slope)).clamp_min(0)
    expected = expected * batch / expected.sum()
    counts = expected.floor()
    counts[(expected - counts).argsort(descending=True)[: batch - int(counts.sum())]] += 1
    return counts.long()


def _mean_softmax(network: Network, observation: Observation, basis: Tensor) -> Tensor:
    norm = float((observation.high - observation.low).norm()) / 4
    noise = torch.randn(_TYPICAL, basis.shape[1], generator=torch.Generator().manual_seed(0)).to(basis)
    with torch.no_grad():
        outputs = network.forward(norm * basis.shape[1] ** -0.5 * noise @ basis.T)
        return functional.softmax(_logits(outputs), -1).mean(0).cpu().double()
