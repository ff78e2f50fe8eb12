"""Exposure: how much of the weights each member accounts for, and whether that tells members from strangers.

The fit of `stationarity` gives every member its lambda. Its exposure is the norm of its part of the sum,
|| sum_a sum_k lambda_iak grad h_k(theta_a; x_i) || / || tau ||: unlike lambda it does not depend on the units of
inputs and outputs, and it is one number for many outputs and anchors.

Fitted together with controls the network never saw, members should be preferred where the weights lean on them;
how often they are is a membership test (cf. ImpMIA 2025). What lies outside the
row space of the target's first layer counts `OUTSIDE` times in that fit, as in weighted least squares: the residual
of a trained network (kinks, training that has not converged) lies inside, where the samples are. Outside there is
only the noise of the initialisation, so that a stranger is betrayed by what of it the weights do not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap, rankdata
from torch import Tensor

from audit.exposure import Stationarity, stationarity
from audit.objective import Objective
from audit.reduction import row_space
from audit.solve.budget import Budget

OUTSIDE = 10.0
"""10 to 100 do alike, 1 is worse on most targets (tests/benchmarks/results/tried.md)."""
FEWEST_CONTROLS = 10
"""Below it no membership test is made."""
_FEWEST_MEMBERS = 2
"""Likewise: the bootstrap draws among them."""
RATE = 0.01
"""False positives at which true positives are counted; takes 1 / RATE controls."""
CONFIDENCE = 0.95
_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Membership:
    """How well exposure tells members from controls that were fitted together with them."""

    auc: float
    """Probability that a member's exposure is above a control's, equal ones counting half."""
    interval: tuple[float, float]
    """Of the AUC, by bootstrap over members and controls, percentiles at `CONFIDENCE`."""
    true_positives: float | None
    """Share of members above all but `RATE` of the controls; None with fewer than 1 / RATE of them."""
    members: NDArray[np.float64]
    """(n,), exposures in the common fit."""
    controls: NDArray[np.float64]
    """(k,)"""


@dataclass(frozen=True, eq=False)
class Exposure:
    """What the weights lean on."""

    fit: Stationarity
    """Of the members alone: residual, lambda, and exposures as its `lengths`."""
    ranks: NDArray[np.int64]
    """(n,), 1 for the most exposed member."""
    membership: Membership | None
    """None where it was not measured; the notes say why."""
    notes: tuple[str, ...]
    """What to keep in mind, one sentence each."""


def exposure(
    objective: Objective,
    members: Tensor,
    labels: Tensor | None,
    controls: Tensor,
    control_labels: Tensor | None,
    generator: torch.Generator,
    budget: Budget,
) -> Exposure | None:
    """Measure the exposure of every member, and what it tells apart.

    Parameters
    ----------
    objective:
        Of any attack on weights, in network units, not reduced.
    members, controls:
        (n, d) and (k, d) in network units; k may be 0.
    labels, control_labels:
        (n,) and (k,) class numbers; `labels` is None where the head needs none. Where those of controls alone are
        unknown, both are given the predictions of the network in the common fit.
    generator:
        Of the bootstrap.
    budget:
        For fits too large to be solved exactly; half of it for each of the two.

    Returns
    -------
    Exposure | None
        None where the fit of the members fails, as `stationarity` says.
    """
    fit = stationarity(objective, members, labels, budget.part(budget.left / 2))
    if fit is None:
        return None
    notes = [*_of_members(members, labels), *_of_fit(fit, objective.size, "members")]
    ranks = rankdata(-fit.lengths, method="min").astype(np.int64)
    membership = None
    if len(members) < _FEWEST_MEMBERS:
        notes.append("membership is not tested: one member is not enough")
    elif len(controls) < FEWEST_CONTROLS:
        notes.append(
            f"membership is not tested: {len(controls)} controls, and at least {FEWEST_CONTROLS} are needed"
        )
    else:
        both = torch.cat([members, controls])
        names: Tensor | None = None
        if labels is not None and control_labels is not None:
            names = torch.cat([labels, control_labels])
        elif labels is not None:
            names = predicted(objective, both)
            notes.append("labels of controls are unknown: the membership test uses predicted ones for all")
        common = stationarity(*stretched(objective, both), names, budget)
        if common is None:
            notes.append("membership is not tested: the common fit of members and controls failed")
        else:
            notes += [
                *_of_controls(members, controls),
                *_of_fit(common, objective.size, "members and controls"),
            ]
            lengths, count = common.lengths, len(members)
            membership = _membership(lengths[:count], lengths[count:], generator)
    return Exposure(fit, ranks, membership, tuple(notes))


def auc(members: NDArray[np.float64], controls: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Area under the ROC curve: the Mann-Whitney statistic of (..., n) against (..., k), over n k."""
    n, k = members.shape[axis], controls.shape[axis]
    ranks = rankdata(np.concatenate([members, controls], axis=axis), axis=axis)
    total = np.take(ranks, np.arange(n), axis=axis).sum(axis=axis)
    return np.asarray((total - n * (n + 1) / 2) / (n * k))


def stretched(objective: Objective, inputs: Tensor) -> tuple[Objective, Tensor]:
    """The same fit, with what lies outside the row space of the first layer `OUTSIDE` times as long.

    The network that first shrinks that part of its inputs again computes what it did, and the gradient with respect
    to its first layer is delta (stretched x)^T.
    """
    basis = row_space(objective.target[0]).basis.double()

    def times(rows: Tensor, factor: float) -> Tensor:
        exact = rows.double()
        return (factor * exact + (1 - factor) * (exact @ basis) @ basis.T).to(rows.dtype)

    anchors = tuple(
        replace(anchor, weights=(times(anchor.weights[0], 1 / OUTSIDE), *anchor.weights[1:]))
        for anchor in objective.anchors
    )
    first, *rest = objective.target
    return replace(objective, target=(times(first, OUTSIDE), *rest), anchors=anchors), times(inputs, OUTSIDE)


def _membership(
    members: NDArray[np.float64], controls: NDArray[np.float64], generator: torch.Generator
) -> Membership:
    seed = int(torch.randint(2**31, (), generator=generator))
    drawn = bootstrap(
        (members, controls),
        auc,
        n_resamples=_RESAMPLES,
        batch=50,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    allowed = int(RATE * len(controls))
    above = members > np.sort(controls)[::-1][allowed]
    return Membership(
        auc=float(auc(members, controls)),
        interval=(float(drawn.low), float(drawn.high)),
        true_positives=float(above.mean()) if allowed else None,
        members=members,
        controls=controls,
    )


def predicted(objective: Objective, inputs: Tensor) -> Tensor:
    """Class numbers (n,) of inputs (n, d), as the network of an objective predicts them."""
    with torch.no_grad():
        outputs = objective.anchors[0].forward(inputs)
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)


def _of_members(members: Tensor, labels: Tensor | None) -> Sequence[str]:
    names: Sequence[int] = [0] * len(members) if labels is None else labels.tolist()
    copies = len(members) - len(set(zip(_keys(members), names, strict=True)))
    if not copies:
        return []
    return [f"{copies} members are copies of others: only the sum of their exposures is determined"]


def _of_controls(members: Tensor, controls: Tensor) -> Sequence[str]:
    known = set(_keys(members))
    shared = sum(key in known for key in _keys(controls))
    return [f"{shared} controls are members too: the membership test is too low"] if shared else []


def _of_fit(fit: Stationarity, parameters: int, whom: str) -> Sequence[str]:
    notes = []
    if fit.unknowns > parameters:
        notes.append(
            f"exposures of {whom} are not unique: {fit.unknowns} unknowns for {parameters} parameters"
        )
    elif fit.rank is not None and fit.rank < fit.unknowns:
        notes.append(
            f"exposures of {whom} are not unique: gradients of rank {fit.rank} for {fit.unknowns} unknowns"
        )
    if not fit.converged:
        notes.append(f"the fit of {whom} was ended after {fit.steps} steps: its residual is an upper bound")
    return notes


def _keys(rows: Tensor) -> list[bytes]:
    return [row.tobytes() for row in rows.detach().cpu().numpy()]
