"""gradient-cosine: the direction of an observed gradient as that of cross-entropy, with labels from its last bias.

Lambda is tied to softmax(Phi) - onehot(y), by the readout: the loss of every candidate at its label. Its scale is
left open, for learning rates, clipping and the size of the batch change nothing but the length of a gradient, so
that the distance is that of directions (Geiping et al. 2020). Labels follow from the gradient of the last bias,
which is

    dL / db_c = mean_i softmax_c(Phi(x_i)) - n_c / b        (n_c samples of class c; Zhao et al. 2020 for b = 1),

the mean being taken over typical noise instead of the batch that nobody knows.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from audit.attacks.base import Attack, Equation, Inapplicable, Labels, Observation
from audit.attacks.gradient import match_gradient
from audit.equation.row_space import RowSpace

_TYPICAL = 64
"""Inputs over which softmax is averaged."""


class GradientCosine(Attack):
    """Gradient matching by cosine distance, for cross-entropy with labels that the gradient gives away."""

    id = "gradient-cosine"
    title = "Match of an observed gradient's direction, with labels from its last bias"
    papers = "Geiping et al. 2020, arXiv 2003.14053; Zhao et al. 2020, arXiv 2001.02610"
    requires = "as gradient (--gradient), of cross-entropy and a network with a bias in its last layer"
    source = "gradient"

    def prepare(self, seen: Observation) -> Equation | Inapplicable:
        """Explain the direction of the gradient; the readout is the loss, so that lambda is a weight of samples."""
        found = match_gradient(self, seen)
        if isinstance(found, Inapplicable):
            return found
        bias = found.objective.target.biases[-1]
        if bias is None:
            return Inapplicable("the last layer has no bias, whose gradient gives the labels away")
        if not bias.any():
            return Inapplicable(
                "the gradient of the last bias is zero everywhere: it does not give the labels away"
            )
        counts = _count_labels(seen, bias, found.space)
        said = ", ".join(f"{label} ({count})" for label, count in enumerate(counts.tolist()) if count)
        batch = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return replace(
            found,
            objective=replace(
                found.objective,
                readout=cross_entropy,
                non_negative=True,
                linear_readout=False,
                scale_free=True,
            ),
            labels=Labels(batch.to(seen.low.device), in_proportion=True),
            caveat="its theory supposes cross-entropy; labels taken from the last bias, with their number: "
            f"{said}",
        )


def cross_entropy(outputs: Tensor, labels: Tensor | None) -> Tensor:
    """Readout: the loss (..., m, 1) of outputs (..., m, c) at labels (..., m), of the logistic kind for c = 1."""
    if labels is None:
        raise ValueError("cross-entropy needs labels")
    logits = _logits(outputs)
    losses = functional.log_softmax(logits, -1)
    return -losses.gather(-1, labels.expand(logits.shape[:-1]).unsqueeze(-1))


def _logits(outputs: Tensor) -> Tensor:
    """One for every class: a single output is that of class 1, beside 0."""
    return torch.cat([torch.zeros_like(outputs), outputs], -1) if outputs.shape[-1] == 1 else outputs


def _count_labels(seen: Observation, bias: Tensor, space: RowSpace) -> Tensor:
    """Number of samples of every class, (classes,), which add up to the rank of the gradient's first layer.

    Parameters
    ----------
    seen:
        For the network, and inputs that are typical of its range.
    bias:
        (c,), the gradient of the last bias.
    space:
        Row space of the gradient's first layer.
    """
    by_output = bias.detach().cpu()
    if len(by_output) == 1:
        by_output = torch.cat([-by_output, by_output])
    batch = space.signals
    expected = (batch * (_mean_softmax(seen, space.basis) - by_output)).clamp_min(0)
    expected = expected * batch / expected.sum()
    counts = expected.floor()
    counts[(expected - counts).argsort(descending=True)[: batch - int(counts.sum())]] += 1
    return counts.long()


def _mean_softmax(seen: Observation, basis: Tensor) -> Tensor:
    norm = float((seen.high - seen.low).norm()) / 4
    noise = torch.randn(_TYPICAL, basis.shape[1], generator=torch.Generator().manual_seed(0)).to(basis)
    with torch.no_grad():
        outputs = seen.network.forward(norm * basis.shape[1] ** -0.5 * noise @ basis.T)
        return functional.softmax(_logits(outputs), -1).mean(0).cpu().double()
