"""Memorisation diagnostics: what the weights hold of the members, measured without an attack.

For the equation of every attack, how far the members explain it and how much each contributes (`contribution`); for
all row spaces together, how similar a reconstruction could be to each member at all (`attainable`); for polynomial
networks, whether their data is determined (`identifiability`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from audit.attacks import Attack, Broken, Equation, Prepared
from audit.budget import Budget
from audit.dataset.truth import Truth
from audit.diagnostics.attainable import attainable_ssim
from audit.diagnostics.contribution import Contributions, measure_contributions, predicted
from audit.equation.identifiability import Identifiability
from audit.errors import first_line
from audit.model.modality import IMAGES
from audit.words import listed

_CONTRIBUTION = 2 / 3
"""Share of the time; the attainable SSIM takes what is left."""


@dataclass(frozen=True, eq=False)
class Attainable:
    """How similar a reconstruction can be to each member, over all row spaces."""

    similarity: NDArray[np.float64]
    """(n,), SSIM of the best image that was found."""
    equations: list[Equation]
    """One for each row space."""
    complete: bool
    """Whether the time sufficed to search for all members."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured at the members."""

    fits: list[tuple[Equation, Contributions]] = field(default_factory=list)
    """One per equation, lowest residual first."""
    stationarity: dict[str, float] = field(default_factory=dict)
    """By attack, the relative loss that the members leave; without fits that the time limit stopped."""
    freedom: dict[str, float] = field(default_factory=dict)
    """By attack likewise, unknowns of that fit for every parameter of the target."""
    attainable: Attainable | None = None
    """None where it was not measured; the notes say why."""
    identifiability: dict[Attack, Identifiability] = field(default_factory=dict)
    """By attack that reads a tensor and can solve its equations."""
    notes: list[str] = field(default_factory=list)
    """What was left out, and why."""

    @property
    def best(self) -> Contributions | None:
        """Of the equation that the members explain best."""
        return self.fits[0][1] if self.fits else None


def measure(
    equations: Sequence[Equation],
    prepared: Mapping[Attack, Prepared],
    truth: Truth,
    generator: torch.Generator,
    budget: Budget,
) -> Measurements:
    """Measure contributions and attainable SSIM of all members.

    Parameters
    ----------
    equations:
        Of the attacks in question; those of a gradient or a change are measured first, then in this order.
    prepared:
        What came of every attack's equation, for what is said of the data's tensor.
    truth:
        Members and controls.
    generator:
        Of the bootstrap.
    budget:
        Two thirds for contributions, the rest for the attainable SSIM. A fit small enough to be solved exactly
        (2,000 unknowns, some seconds), once begun, is not interrupted.
    """
    notes: list[str] = []
    fits = _contributions(equations, truth, generator, budget.part(_CONTRIBUTION * budget.left), notes)
    # Where residuals are equal but for rounding, the order of the equations decides, in a scan as in `inspect`.
    fits.sort(key=lambda pair: float(f"{pair[1].fit.residual:.3g}"))
    solved = {
        equation.attack.id: (found.fit, other.objective.size)
        for equation in equations
        for other, found in fits
        if equation.equals(other) and found.fit.converged
    }
    stationarity = {attack: fit.residual for attack, (fit, _) in solved.items()}
    freedom = {attack: fit.unknowns / size for attack, (fit, size) in solved.items()}
    attainable, analyses = _attainable(equations, truth, budget, notes), identifiability(prepared)
    return Measurements(fits, stationarity, freedom, attainable, analyses, notes)


def identifiability(prepared: Mapping[Attack, Prepared]) -> dict[Attack, Identifiability]:
    """Collect what the equations of a polynomial network of two layers determine, by attack that solves them.

    Empty where no such attack can solve its own: why is the reason that it does not apply.
    """
    analyses = {
        attack: None if isinstance(found, Broken) else found.analysis for attack, found in prepared.items()
    }
    return {attack: analysis for attack, analysis in analyses.items() if analysis is not None}


def distinct_spaces(equations: Sequence[Equation]) -> list[Equation]:
    """Keep the first equation of every row space."""
    kept: list[Equation] = []
    for equation in equations:
        if not any(equation.shares_space(other) for other in kept):
            kept.append(equation)
    return kept


def _contributions(
    equations: Sequence[Equation],
    truth: Truth,
    generator: torch.Generator,
    budget: Budget,
    notes: list[str],
) -> list[tuple[Equation, Contributions]]:
    different: list[Equation] = []
    for equation in equations:
        if not any(equation.equals(other) for other in different):
            different.append(equation)
    # The weights alone tell least, and a fit of them that is solved exactly overruns its time.
    different.sort(key=lambda equation: equation.source == "weights")
    found = []
    for place, equation in enumerate(different):
        if budget.left <= 0:
            names = listed(other.attack.id for other in different[place:])
            notes.append(f"no time was left to measure contributions in the equation of {names}")
            break
        part = budget.part(budget.left / (len(different) - place))
        try:
            fitted = _contribution(equation, truth, generator, part)
        except (MemoryError, RuntimeError) as error:
            notes.append(
                f"contributions in the equation of {equation.attack.id} were not measured: {first_line(error)}"
            )
            continue
        if fitted is None or not _finite(fitted):
            notes.append(
                f"contributions in the equation of {equation.attack.id} were not measured: the fit failed"
            )
        else:
            found.append((equation, fitted))
    return found


def _contribution(
    equation: Equation, truth: Truth, generator: torch.Generator, budget: Budget
) -> Contributions | None:
    objective = equation.objective
    members, controls = (
        torch.from_numpy(rows).to(objective.target.weights[0]) for rows in (truth.members, truth.controls)
    )
    labels = control_labels = None
    if equation.labels is not None:
        if truth.labels is None:
            labels = predicted(objective, members)
        else:
            labels = torch.from_numpy(truth.labels).to(members.device)
            if truth.control_labels is not None:
                control_labels = torch.from_numpy(truth.control_labels).to(members.device)
    return measure_contributions(
        objective, equation.space, members, labels, controls, control_labels, generator, budget
    )


def _finite(found: Contributions) -> bool:
    values = [np.array(found.fit.residual), found.fit.lengths]
    if found.membership is not None:
        values += [found.membership.members, found.membership.controls]
    return all(bool(np.isfinite(part).all()) for part in values)


def _attainable(
    equations: Sequence[Equation], truth: Truth, budget: Budget, notes: list[str]
) -> Attainable | None:
    """The best of all row spaces, of every member."""
    different = distinct_spaces(equations)
    if not different:
        return None
    if truth.preprocessing.modality is not IMAGES:
        notes.append("attainable SSIM is not measured: SSIM is not applicable to rows of a table")
        return None
    try:
        found = [
            attainable_ssim(equation.space, truth.members, truth.preprocessing, part)
            for equation, part in zip(different, _parts(budget, len(different)), strict=True)
        ]
    except (MemoryError, RuntimeError) as error:
        notes.append(f"attainable SSIM was not measured: {first_line(error)}")
        return None
    highest: NDArray[np.float64] = np.max([one.ssim for one in found], axis=0)
    return Attainable(highest, different, all(one.complete for one in found))


def _parts(budget: Budget, count: int) -> Iterator[Budget]:
    for left in range(count, 0, -1):
        yield budget.part(budget.left / left)
