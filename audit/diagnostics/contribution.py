"""Contribution: how much of the weights each member accounts for, and whether that distinguishes members.

The fit of `stationarity` gives every member its lambda. Its contribution is the norm of its part of the sum,
|| sum_a sum_k lambda_iak grad h_k(theta_a; x_i) || / || tau ||: unlike lambda it does not depend on the units of
inputs and outputs, and it is one number for many outputs and points.

Fitted together with controls that the network never saw, members should be preferred where the weights depend on
them; how often they are is a membership test (cf. ImpMIA 2025). That fit is one of weighted least squares, and
treats members and controls alike. What lies outside the row space of the target's first layer counts `OUTSIDE`
times: the residual of a trained network (kinks, training that has not converged) lies inside, where the samples
are. Outside there is only the noise of the initialisation, so that a non-member shows by the part of its
gradient that the weights lack. And every unit of the first layer counts the same: the residual of a unit grows
with its weights, so that the few largest would decide alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import bootstrap, norm, rankdata
from torch import Tensor

from audit.budget import Budget
from audit.diagnostics.stationarity import Stationarity, stationarity
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace
from audit.model.parameters import Parameters

OUTSIDE = 10.0
"""10 to 100 do alike, 1 is worse on most targets (tests/benchmarks/results/tried.md)."""
_LEAST_UNIT = 0.1
"""Part of the root mean square length below which a unit of the first layer counts less than the others: what it
holds may be rounding. .01 to 1 do alike."""
FEWEST_CONTROLS = 10
"""Different ones; below it no membership test is made."""
FEWEST_MEMBERS = 4
"""Likewise: the bootstrap draws among them."""
RATE = 0.01
"""False positives at which true positives are counted; takes 1 / RATE controls."""
CONFIDENCE = 0.95
_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Membership:
    """How well contributions distinguish members from controls that were fitted together with them."""

    auc: float
    """Probability that a member's contribution is above a control's, equal ones counting half."""
    interval: tuple[float, float]
    """Of the AUC at `CONFIDENCE`: bootstrap and Newcombe's, whichever reaches further at either end."""
    true_positives: float | None
    """Share of members above all but `RATE` of the controls; None with fewer than 1 / RATE of them."""
    members: NDArray[np.float64]
    """(n,), contributions in the common fit; those of exact copies are the sum of theirs, and count once above."""
    controls: NDArray[np.float64]
    """(k,), likewise."""
    converged: bool
    """False when time or steps ended the common fit."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What members contribute to the target of an equation."""

    fit: Stationarity
    """Of the members alone: residual, lambda, and contributions as its `lengths`."""
    ranks: NDArray[np.int64]
    """(n,), 1 for the member that contributes most."""
    membership: Membership | None
    """None where it was not measured; the notes say why."""
    notes: tuple[str, ...]
    """What to keep in mind, one sentence each."""


def measure_contributions(
    objective: Objective,
    space: RowSpace,
    members: Tensor,
    labels: Tensor | None,
    controls: Tensor,
    control_labels: Tensor | None,
    generator: torch.Generator,
    budget: Budget,
) -> Contributions | None:
    """Measure the contribution of every member, and whether it distinguishes members from controls.

    Parameters
    ----------
    objective:
        Of any attack, as normalised inputs, not reduced.
    space:
        Row space of its target's first layer.
    members, controls:
        (n, d) and (k, d) as normalised inputs; k may be 0.
    labels, control_labels:
        (n,) and (k,) labels; `labels` is None where the readout needs none. Where those of controls alone are
        unknown, both are given the predictions of the network in the common fit.
    generator:
        Of the bootstrap.
    budget:
        For fits too large to be solved exactly; half of it for each of the two.

    Returns
    -------
    Contributions | None
        None where the fit of the members fails, as `stationarity` says.
    """
    fit = stationarity(objective, members, labels, budget.part(budget.left / 2))
    if fit is None:
        return None
    ours = _Side.of(members, labels)
    equal = np.bincount(ours.places, fit.lengths) / np.bincount(ours.places)  # of copies, but for rounding
    ranks = rankdata(-equal[ours.places], method="min").astype(np.int64)
    notes = [*_of_copies(ours), *_not_unique(fit, objective.size, "members")]
    if not fit.converged:
        notes.append(f"the fit of members was ended {_when(fit)}: its residual is an upper bound")
    guessed = labels is not None and control_labels is None
    if guessed:
        labels, control_labels = predicted(objective, members), predicted(objective, controls)
    sides = _Side.of(members, labels), _Side.of(controls, control_labels)
    membership, remarks = _test(objective, space, *sides, generator, budget)
    if guessed and membership is not None:
        notes.append("labels of controls are unknown: the membership test uses predicted ones for all")
    return Contributions(fit, ranks, membership, (*notes, *remarks))


def auc(members: NDArray[np.float64], controls: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Area under the ROC curve: the Mann-Whitney statistic of (..., n) against (..., k), over n k."""
    n, k = members.shape[axis], controls.shape[axis]
    ranks = rankdata(np.concatenate([members, controls], axis=axis), axis=axis)
    total = np.take(ranks, np.arange(n), axis=axis).sum(axis=axis)
    return np.asarray((total - n * (n + 1) / 2) / (n * k))


def interval(
    members: NDArray[np.float64], controls: NDArray[np.float64], generator: torch.Generator
) -> tuple[float, float]:
    """Confidence interval of the AUC, of what (n,) and (k,) different images got.

    The bootstrap's percentiles, over members and controls, which allow for contributions of any distribution but
    shrink to a point where members and controls are apart. Therefore no narrower, at either end, than all areas a
    that are within so many of their own standard deviations of the one found (Newcombe 2006, method 5), whose
    variance is

        a (1 - a) / (n k) (1 + ((n + k) / 2 - 1) ((1 - a) / (2 - a) + a / (1 + a)));

    at a = 1/2 it is that of Mann and Whitney's test, which the interval then agrees with.
    """
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
    found, n, k = float(auc(members, controls)), len(members), len(controls)
    low, high = _least_area(found, n, k), 1 - _least_area(1 - found, n, k)
    return min(low, float(drawn.low)), max(high, float(drawn.high))


def _least_area(found: float, n: int, k: int) -> float:
    """Lower end of Newcombe's interval; the upper one follows by exchanging both sides."""
    deviations = norm.ppf((1 + CONFIDENCE) / 2)

    def beyond(area: float) -> float:
        skew = (1 - area) / (2 - area) + area / (1 + area)
        variance = area * (1 - area) / (n * k) * (1 + ((n + k) / 2 - 1) * skew)
        return float(found - area - deviations * variance**0.5)

    return float(brentq(beyond, 0.0, min(found, 1 - 1e-12))) if found > 0 else 0.0  # 1 is a root too


def predicted(objective: Objective, inputs: Tensor) -> Tensor:
    """Labels (n,) of inputs (n, d), as the network of an objective predicts them."""
    with torch.no_grad():
        outputs = objective.points[0].forward(inputs)
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)


def weighted(objective: Objective, space: RowSpace, inputs: Tensor) -> tuple[Objective, Tensor, Tensor]:
    """The same equation with the weights of the common fit: objective, inputs, and the factors of units (h,)."""
    lengths = objective.target.first_layer(augmented=True).double().norm(dim=1)
    typical = lengths.square().mean().sqrt()
    factors = (typical / lengths.clamp_min(_LEAST_UNIT * typical)).nan_to_num(1.0)
    objective, inputs = stretched(objective, space, inputs)
    return replace(objective, target=objective.target.scale_units(factors)), inputs, factors


def stretched(objective: Objective, space: RowSpace, inputs: Tensor) -> tuple[Objective, Tensor]:
    """The same equation, with what lies outside the row space of the first layer `OUTSIDE` times as long.

    The network that first shrinks that part of its inputs again computes what it did, and the gradient with respect
    to its first layer is delta (stretched x)^T.
    """
    basis = space.basis.double()

    def times(rows: Tensor, factor: float) -> Tensor:
        exact = rows.double()
        return (factor * exact + (1 - factor) * (exact @ basis) @ basis.T).to(rows.dtype)

    def stretch(parameters: Parameters, factor: float) -> Parameters:
        return parameters.with_first_weight(times(parameters.weights[0], factor))

    points = tuple(point.at(stretch(point.parameters, 1 / OUTSIDE)) for point in objective.points)
    target = stretch(objective.target, OUTSIDE)
    return replace(objective, target=target, points=points), times(inputs, OUTSIDE)


@dataclass(frozen=True, eq=False)
class _Side:
    """Members or controls, exact copies once."""

    images: Tensor
    """(m, d), which differ in pixels or in label."""
    labels: Tensor | None
    """(m,)"""
    places: NDArray[np.int64]
    """(n,), which of them each one given is."""

    @classmethod
    def of(cls, rows: Tensor, labels: Tensor | None) -> _Side:
        names: Sequence[int] = [0] * len(rows) if labels is None else labels.tolist()
        known: dict[tuple[bytes, int], int] = {}
        keys = zip(_keys(rows), names, strict=True)
        places = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)
        first = torch.from_numpy(np.unique(places, return_index=True)[1])
        return cls(rows[first], None if labels is None else labels[first], places)


def _test(
    objective: Objective,
    space: RowSpace,
    members: _Side,
    controls: _Side,
    generator: torch.Generator,
    budget: Budget,
) -> tuple[Membership | None, list[str]]:
    """The membership test, and what to say of it."""
    for side, least, whom in ((members, FEWEST_MEMBERS, "members"), (controls, FEWEST_CONTROLS, "controls")):
        if len(side.images) < least:
            return None, [
                f"membership is not tested with fewer than {least} different {whom} ({len(side.images)} given)"
            ]
    equation, images, factors = weighted(objective, space, torch.cat([members.images, controls.images]))
    labels = None
    if members.labels is not None and controls.labels is not None:
        labels = torch.cat([members.labels, controls.labels])
    common = stationarity(equation, images, labels, budget, factors)
    if common is None:
        return None, ["membership is not tested: the common fit of members and controls failed"]
    notes = [*_of_controls(members, controls), *_not_unique(common, objective.size, "members and controls")]
    if not common.converged:
        notes.append(
            f"the fit of members and controls was ended {_when(common)}: more time may tell them apart better"
        )
    ours, theirs = np.split(common.lengths, [len(members.images)])
    allowed = int(RATE * len(theirs))
    above = ours > np.sort(theirs)[::-1][allowed]
    found = Membership(
        auc=float(auc(ours, theirs)),
        interval=interval(ours, theirs, generator),
        true_positives=float(above.mean()) if allowed else None,
        members=ours[members.places],
        controls=theirs[controls.places],
        converged=common.converged,
    )
    return found, notes


def _of_copies(members: _Side) -> Sequence[str]:
    if len(members.places) == len(members.images):
        return []
    return [
        "only the sum of the contributions of exact copies is determined; the membership test counts each "
        "image once"
    ]


def _of_controls(members: _Side, controls: _Side) -> Sequence[str]:
    notes, known = [], set(_keys(members.images))
    if copies := len(controls.places) - len(controls.images):
        notes.append(f"exact copies among the controls: {copies}; the membership test counts each image once")
    if shared := sum(key in known for key in _keys(controls.images)):
        notes.append(f"controls that are members too: {shared}; the membership test is too low")
    return notes


def _not_unique(fit: Stationarity, parameters: int, whom: str) -> Sequence[str]:
    notes = []
    if fit.unknowns > parameters:
        notes.append(
            f"contributions of {whom} are not unique: {fit.unknowns} unknowns for {parameters} parameters"
        )
    elif fit.rank is not None and fit.rank < fit.unknowns:
        notes.append(
            f"contributions of {whom} are not unique: gradients of rank {fit.rank} for {fit.unknowns} unknowns"
        )
    return notes


def _when(fit: Stationarity) -> str:
    return f"after {fit.steps} step{'' if fit.steps == 1 else 's'}"


def _keys(rows: Tensor) -> list[bytes]:
    return [row.tobytes() for row in rows.detach().cpu().numpy()]
