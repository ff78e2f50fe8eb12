"""The entries of a report on what the weights hold, made from what the diagnostics measured."""

from __future__ import annotations

from audit.attacks import Attack
from audit.diagnostics.attainable import TOLERANCE
from audit.diagnostics.contribution import Exposure as Measured
from audit.diagnostics.measure import Equation, Measurements
from audit.equation.identifiability import Identifiability as Analysis
from audit.equation.row_space import bulk_edge
from audit.report.schema import Ceiling, Exposure, Identifiability, Rank
from audit.request.observed import Kind


def subject(attack: Attack, kind: Kind | None) -> str:
    """Name what an attack explains, as the subject of a sentence."""
    if attack.needs_gradient:
        return f"the observed {kind or 'gradient'}"
    return "the change of the weights" if attack.needs_initial else "the weights"


def spectrum(equation: Equation, kind: Kind | None) -> Rank:
    """Describe the singular values of the first layer of a target."""
    attack, space, (first, *_) = equation.attack, equation.space, equation.objective.target
    of, edge = "the first layer", None
    if attack.needs_gradient:
        of = f"the observed {kind or 'gradient'} of the first layer"
    else:
        edge = bulk_edge(space.singular_values, *first.shape)
        of = "the change of the first layer" if attack.needs_initial else of
    return Rank(
        of=of,
        singular_values=[float(value) for value in space.singular_values],
        edge=space.edge,
        kept=space.signals,
        bulk_edge=edge,
        effective_rank=space.effective_rank,
    )


def contribution_entries(measured: Measurements, kind: Kind | None, controls: int) -> list[Exposure]:
    """Describe the fit of every equation."""
    return [_contribution(equation, found, kind, controls) for equation, found in measured.fits]


def _contribution(equation: Equation, found: Measured, kind: Kind | None, controls: int) -> Exposure:
    test = found.membership
    told = Exposure(
        attack=equation.attack.id,
        of=subject(equation.attack, kind),
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


def attainable_entry(measured: Measurements, threshold: float) -> Ceiling | None:
    """Count the members that could be recovered at an SSIM threshold."""
    found = measured.attainable
    if found is None:
        return None
    return Ceiling(
        attacks=[equation.attack.id for equation in found.equations],
        reachable=int((found.similarity + TOLERANCE >= threshold).sum()),
        of=len(found.similarity),
        threshold=threshold,
        tolerance=TOLERANCE,
        complete=found.complete,
    )


def identifiability_entries(
    found: dict[Attack, Analysis], kind: Kind | None
) -> dict[str, Identifiability] | None:
    """Describe what the equations of a polynomial network determine; None where there is nothing to say."""
    return {attack.id: _identifiability(attack, said, kind) for attack, said in found.items()} or None


def _identifiability(attack: Attack, said: Analysis, kind: Kind | None) -> Identifiability:
    return Identifiability(
        of=subject(attack, kind),
        rank_needed=said.unknowns,
        rank=said.rank,
        undetermined=said.undetermined,
        condition=said.condition,
        residual=said.residual,
        error=said.error,
    )


def member_fields(measured: Measurements, member: int) -> dict[str, float | int | None]:
    """Say what is known of one member, by its index: fields of `Sample`."""
    best, highest = measured.best, measured.attainable
    return {
        "exposure": None if best is None else float(best.fit.lengths[member]),
        "exposure_rank": None if best is None else int(best.ranks[member]),
        "ceiling": None if highest is None else float(highest.similarity[member]),
    }
