"""Candidates: guesses at training samples, each with the weight lambda it has in the sum over samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

_ROWS = 256
"""Candidates compared with all others at once: all with all would not fit, and one by one takes minutes."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """m candidates, or R restarts of m candidates each."""

    inputs: Tensor
    """(..., m, r) in reduced coordinates, or (..., m, d) normalised inputs."""
    weights: Tensor
    """(..., m, k): lambda, which enters every objective linearly."""
    labels: Tensor | None
    """(..., m) labels, or None where the readout needs none."""

    def __len__(self) -> int:
        """Return the number of candidates per restart."""
        return self.inputs.shape[-2]

    def detach(self) -> Candidates:
        """Cut the candidates off the graph that made them."""
        return replace(self, inputs=self.inputs.detach(), weights=self.weights.detach())

    def restart(self, index: int) -> Candidates:
        """One of R restarts, as a batch of one."""
        labels = self.labels if self.labels is None or self.labels.dim() == 1 else self.labels[index, None]
        return Candidates(self.inputs[index, None], self.weights[index, None], labels)

    def flatten(self) -> Candidates:
        """Flatten R restarts of m candidates into one list of R * m."""
        labels = None if self.labels is None else self.labels.expand(self.inputs.shape[:-1]).reshape(-1)
        return Candidates(self.inputs.flatten(0, -2), self.weights.flatten(0, -2), labels)


def concatenate(parts: list[Candidates]) -> Candidates:
    """Join lists of candidates along m; all must have labels, or none."""
    labels = [part.labels for part in parts if part.labels is not None]
    assert len(labels) in (0, len(parts))
    return Candidates(
        torch.cat([part.inputs for part in parts], dim=-2),
        torch.cat([part.weights for part in parts], dim=-2),
        torch.cat(labels, dim=-1) if labels else None,
    )


def merge_near_duplicates(candidates: Candidates, cosine: float = 0.98) -> Candidates:
    """Merge candidates of equal label that point the same way into one, weights added.

    Restarts that agree return the same sample again and again. The scale of a candidate is poorly determined
    (a homogeneous network without biases leaves it open), so direction decides. A merged candidate is the
    mean of its group, weighted by lambda.

    Parameters
    ----------
    candidates:
        m pooled candidates, inputs (m, r).
    cosine:
        Cosine between inputs from which two are the same.

    Returns
    -------
    Candidates
        At most m, the heaviest of every group first come, in order of falling lambda times norm.
    """
    mass = candidates.weights.abs().sum(-1) * candidates.inputs.norm(dim=-1)
    order = mass.argsort(descending=True, stable=True)
    inputs, weights = candidates.inputs[order], candidates.weights[order]
    labels = None if candidates.labels is None else candidates.labels[order]
    directions = functional.normalize(inputs, dim=-1)
    free = torch.ones(len(order), dtype=torch.bool, device=inputs.device)
    kept: list[int] = []
    merged_inputs: list[Tensor] = []
    merged_weights: list[Tensor] = []
    for index in range(len(order)):
        if index % _ROWS == 0:
            alike = directions[index : index + _ROWS] @ directions.T > cosine
        if not free[index]:
            continue
        group = free & alike[index % _ROWS]
        if labels is not None:
            group &= labels == labels[index]
        group[index] = True
        free &= ~group
        share = weights[group].abs().sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
        merged_inputs.append((inputs[group] * share).sum(0) / share.sum())
        merged_weights.append(weights[group].sum(0))
        kept.append(index)
    if not kept:
        return candidates
    return Candidates(
        torch.stack(merged_inputs), torch.stack(merged_weights), None if labels is None else labels[kept]
    )


def support(directions: Tensor, candidates: Candidates, cosine: float = 0.9) -> Tensor:
    """How much of all restarts speaks for each of some directions: lambda times norm of the candidates near it.

    Restarts agree on samples and differ on mixtures, so that more of them are near a sample, and with larger
    lambda.

    Parameters
    ----------
    directions:
        (M, r) in the coordinates of the candidates, of any length.
    candidates:
        m pooled candidates, inputs (m, r).
    cosine:
        Cosine from which a candidate is near.

    Returns
    -------
    Tensor
        (M,), at least 0.
    """
    mass = candidates.weights.abs().sum(-1) * candidates.inputs.norm(dim=-1)
    mass = torch.where(torch.isfinite(mass), mass, 0.0)
    known = functional.normalize(torch.nan_to_num(candidates.inputs), dim=-1)
    asked = functional.normalize(torch.nan_to_num(directions), dim=-1).to(known)
    found = mass.new_zeros(len(asked))
    for start in range(0, len(asked), _ROWS):
        rows = slice(start, start + _ROWS)
        found[rows] = (asked[rows] @ known.T > cosine).to(mass) @ mass
    return found
