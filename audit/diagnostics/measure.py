"""What the weights hold: all that can be said of members without attacking, in the words of a report.

For the equation of every attack, how far the members explain it and how much each accounts for (`membership`); for
all row spaces together, how similar a reconstruction could be to each member at all (`ceiling`); for polynomial
networks, whether their data is determined (`identifiability`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from audit.attacks import BATTERY, Attack, Observation
from audit.attacks.polynomial import analysed
from audit.budget import Budget
from audit.dataset import ImageSet
from audit.diagnostics import contribution as membership
from audit.diagnostics.attainable import TOLERANCE, ceiling
from audit.diagnostics.contribution import exposure, predicted
from audit.equation.objective import Objective
from audit.equation.row_space import RowSpace, bulk_edge, row_space
from audit.report.schema import Ceiling, Exposure, Identifiability, Rank
from audit.request.check import Inputs
from audit.request.observed import Kind
from audit.words import listed

_EXPOSURE = 2 / 3
"""Share of the time; the ceiling takes what is left."""


@dataclass(frozen=True, eq=False)
class Equation:
    """What an attack solves, and where."""

    attack: Attack
    """Whose it is."""
    objective: Objective
    """In network units."""
    space: RowSpace
    """Of the target's first layer."""

    def equals(self, other: Equation) -> bool:
        """Whether members fit both alike: some attacks differ in how they solve an equation only."""
        mine, theirs = self.objective, other.objective
        return (
            mine.head is theirs.head
            and len(mine.anchors) == len(theirs.anchors)
            and all(a is b for a, b in zip(mine.anchors, theirs.anchors, strict=True))
            and all(torch.equal(a, b) for a, b in zip(mine.target, theirs.target, strict=True))
        )

    def shares_space(self, other: Equation) -> bool:
        """Whether both attacks work in the same row space."""
        same_noise = self.attack.needs_gradient == other.attack.needs_gradient
        return same_noise and torch.equal(self.objective.target[0], other.objective.target[0])


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What was measured at the members."""

    stationarity: dict[str, float] = field(default_factory=dict)
    """By attack, the relative loss that the members leave; without fits that time ended."""
    exposures: list[Exposure] = field(default_factory=list)
    """One per equation, lowest residual first."""
    lengths: NDArray[np.float64] | None = None
    """(n,), exposure of every member in the first of these."""
    ranks: NDArray[np.int64] | None = None
    """(n,), 1 for the most exposed."""
    ceiling: Ceiling | None = None
    """Over all row spaces."""
    ceilings: NDArray[np.float64] | None = None
    """(n,), of every member."""
    identifiability: dict[str, Identifiability] | None = None
    """By attack that reads a tensor; None where none could solve its equations."""
    notes: list[str] = field(default_factory=list)
    """What was left out, and why."""


def equations(observation: Observation, reasons: Mapping[Attack, str | None]) -> list[Equation]:
    """Write down the equation of every attack that there is no reason against."""
    found: list[Equation] = []
    for attack, reason in reasons.items():
        if reason is None:
            objective = attack.objective(observation)
            space = row_space(objective.target[0], gradient=attack.needs_gradient)
            found.append(Equation(attack, objective, space))
    return found


def measure(
    equations: Sequence[Equation],
    observation: Observation,
    inputs: Inputs,
    threshold: float,
    generator: torch.Generator,
    budget: Budget,
) -> Knowledge:
    """Measure exposure and rank ceiling of all members.

    Parameters
    ----------
    equations:
        Of the attacks in question; those of a gradient or a change are measured first, then in this order.
    observation:
        What they were made from.
    inputs:
        Members and controls.
    threshold:
        SSIM from which a member counts as recovered.
    generator:
        Of the bootstrap.
    budget:
        Two thirds for exposures, the rest for the ceiling. A fit small enough to be solved exactly (2,000 unknowns,
        some seconds), once begun, is not broken off.
    """
    images, kind = _Images.of(inputs), None if inputs.gradient is None else inputs.gradient.kind
    notes: list[str] = []
    identified = identifiability(observation, kind)
    fits = _exposures(equations, observation, images, generator, budget.part(_EXPOSURE * budget.left), notes)
    # Where residuals are equal but for rounding, the order of the equations decides, in a scan as in `inspect`.
    fits.sort(key=lambda pair: float(f"{pair[1].fit.residual:.3g}"))
    stationarity = {
        equation.attack.id: found.fit.residual
        for equation in equations
        for other, found in fits
        if equation.equals(other) and found.fit.converged
    }
    reports = [_exposure_report(equation, found, kind, len(images.controls)) for equation, found in fits]
    best = fits[0][1] if fits else None
    highest, reached = _ceilings(equations, images, inputs, threshold, budget, notes)
    return Knowledge(
        stationarity=stationarity,
        exposures=reports,
        lengths=None if best is None else best.fit.lengths,
        ranks=None if best is None else best.ranks,
        ceiling=reached,
        ceilings=highest,
        identifiability=identified,
        notes=notes,
    )


def identifiability(observation: Observation, kind: Kind | None) -> dict[str, Identifiability] | None:
    """Say what the equations of a polynomial network of two layers determine, by attack that solves them.

    None where no such attack can solve its own: why is the reason that it does not apply.
    """
    found = {}
    for attack in BATTERY:
        missing = (attack.needs_initial and observation.initial is None) or (
            attack.needs_gradient and observation.gradient is None
        )
        if attack.method != "tensor" or missing:
            continue
        said = analysed(attack, observation)
        if not isinstance(said, str):
            found[attack.id] = Identifiability(
                of=held(attack, kind),
                rank_needed=said.unknowns,
                rank=said.rank,
                undetermined=said.undetermined,
                condition=said.condition,
                residual=said.residual,
                error=said.error,
            )
    return found or None


def held(attack: Attack, kind: Kind | None) -> str:
    """Name what an attack explains, as the subject of a sentence."""
    if attack.needs_gradient:
        return f"the observed {kind or 'gradient'}"
    return "the change of the weights" if attack.needs_initial else "the weights"


def spectrum(attack: Attack, objective: Objective, space: RowSpace, kind: Kind | None) -> Rank:
    """Describe the singular values of the first layer of a target."""
    of, edge = "the first layer", None
    if attack.needs_gradient:
        of = f"the observed {kind or 'gradient'} of the first layer"
    else:
        edge = bulk_edge(space.singular_values, *objective.target[0].shape)
        of = "the change of the first layer" if attack.needs_initial else of
    return Rank(
        of=of,
        singular_values=[float(value) for value in space.singular_values],
        edge=space.edge,
        kept=space.signals,
        bulk_edge=edge,
        effective_rank=space.effective_rank,
    )


def distinct_spaces(equations: Sequence[Equation]) -> list[Equation]:
    """Keep the first equation of every row space."""
    kept: list[Equation] = []
    for equation in equations:
        if not any(equation.shares_space(other) for other in kept):
            kept.append(equation)
    return kept


@dataclass(frozen=True, eq=False)
class _Images:
    """Members and controls in network units."""

    members: NDArray[np.float32]
    controls: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    control_labels: NDArray[np.int64] | None

    @classmethod
    def of(cls, inputs: Inputs) -> _Images:
        def units(images: ImageSet) -> NDArray[np.float32]:
            return inputs.format.to_network(images.images)

        members, controls = units(inputs.members), inputs.controls
        known = None if controls is None else controls.labels
        return cls(
            members, members[:0] if controls is None else units(controls), inputs.members.labels, known
        )


def _exposures(
    equations: Sequence[Equation],
    observation: Observation,
    images: _Images,
    generator: torch.Generator,
    budget: Budget,
    notes: list[str],
) -> list[tuple[Equation, membership.Exposure]]:
    different: list[Equation] = []
    for equation in equations:
        if not any(equation.equals(other) for other in different):
            different.append(equation)
    # The weights alone tell least, and a fit of them that is solved exactly overruns its time.
    different.sort(
        key=lambda equation: equation.attack.needs_initial or equation.attack.needs_gradient, reverse=True
    )
    found = []
    for place, equation in enumerate(different):
        if budget.left <= 0:
            names = listed(other.attack.id for other in different[place:])
            notes.append(f"no time was left to measure exposure in the equation of {names}")
            break
        part = budget.part(budget.left / (len(different) - place))
        try:
            exposed = _exposure(equation, observation, images, generator, part)
        except (MemoryError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            notes.append(f"exposure in the equation of {equation.attack.id} was not measured: {reason}")
            continue
        if exposed is None or not _finite(exposed):
            notes.append(f"exposure in the equation of {equation.attack.id} was not measured: the fit failed")
        else:
            found.append((equation, exposed))
    return found


def _exposure(
    equation: Equation,
    observation: Observation,
    images: _Images,
    generator: torch.Generator,
    budget: Budget,
) -> membership.Exposure | None:
    objective = equation.objective
    members, controls = (
        torch.from_numpy(rows).to(objective.target[0]) for rows in (images.members, images.controls)
    )
    labels = control_labels = None
    if equation.attack.labels(observation, 1) is not None:
        if images.labels is None:
            labels = predicted(objective, members)
        else:
            labels = torch.from_numpy(images.labels).to(members.device)
            if images.control_labels is not None:
                control_labels = torch.from_numpy(images.control_labels).to(members.device)
    return exposure(objective, equation.space, members, labels, controls, control_labels, generator, budget)


def _finite(found: membership.Exposure) -> bool:
    told = [np.array(found.fit.residual), found.fit.lengths]
    if found.membership is not None:
        told += [found.membership.members, found.membership.controls]
    return all(bool(np.isfinite(values).all()) for values in told)


def _exposure_report(
    equation: Equation, found: membership.Exposure, kind: Kind | None, controls: int
) -> Exposure:
    test = found.membership
    told = Exposure(
        attack=equation.attack.id,
        of=held(equation.attack, kind),
        residual=found.fit.residual,
        converged=found.fit.converged,
        rank=found.fit.rank,
        unknowns=found.fit.unknowns,
        notes=list(found.notes),
    )
    if test is None:
        return told
    return told.model_copy(
        update={
            "controls": controls,
            "auc": test.auc,
            "auc_interval": test.interval,
            "true_positives": test.true_positives,
            "common_members": test.members.tolist(),
            "common_controls": test.controls.tolist(),
            "common_converged": test.converged,
        }
    )


def _ceilings(
    equations: Sequence[Equation],
    images: _Images,
    inputs: Inputs,
    threshold: float,
    budget: Budget,
    notes: list[str],
) -> tuple[NDArray[np.float64] | None, Ceiling | None]:
    """The best of all row spaces, of every member and counted."""
    different = distinct_spaces(equations)
    if not different:
        return None, None
    if inputs.format.is_table:
        notes.append("the rank ceiling is one of SSIM, which is not applicable to rows of a table")
        return None, None
    try:
        found = [
            ceiling(equation.space, images.members, inputs.format, part)
            for equation, part in zip(different, _parts(budget, len(different)), strict=True)
        ]
    except (MemoryError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        notes.append(f"the rank ceiling was not measured: {reason}")
        return None, None
    highest: NDArray[np.float64] = np.max([one.ssim for one in found], axis=0)
    return highest, Ceiling(
        attacks=[equation.attack.id for equation in different],
        reachable=int((highest + TOLERANCE >= threshold).sum()),
        of=len(highest),
        threshold=threshold,
        tolerance=TOLERANCE,
        complete=all(one.complete for one in found),
    )


def _parts(budget: Budget, count: int) -> Iterator[Budget]:
    for left in range(count, 0, -1):
        yield budget.part(budget.left / left)
