"""The entries of a report for the memorisation diagnostics, made from what was measured."""

from __future__ import annotations

from audit.attacks import Attack, Equation
from audit.diagnostics.attainable import TOLERANCE
from audit.diagnostics.contribution import Contributions
from audit.diagnostics.measure import Measurements
from audit.equation.identifiability import Identifiability as Analysis
from audit.equation.row_space import bulk_edge
from audit.report.measured import AttainableReport, ContributionReport, IdentifiabilityReport, Rank


def spectrum(equation: Equation) -> Rank:
    """Describe the singular values of the first layer of a target."""
    space, first = equation.space, equation.objective.target.weights[0]
    edge = None if equation.source == "gradient" else bulk_edge(space.singular_values, *first.shape)
    return Rank(
        source=equation.source,
        singular_values=[float(value) for value in space.singular_values],
        edge=space.edge,
        kept=space.signals,
        bulk_edge=edge,
        effective_rank=space.effective_rank,
    )


def contribution_entries(measured: Measurements, controls: int) -> list[ContributionReport]:
    """Describe the fit of every equation."""
    return [_contribution(equation, found, controls) for equation, found in measured.fits]


def _contribution(equation: Equation, found: Contributions, controls: int) -> ContributionReport:
    test = found.membership
    entry = ContributionReport(
        attack=equation.attack.id,
        source=equation.source,
        residual=found.fit.residual,
        converged=found.fit.converged,
        rank=found.fit.rank,
        unknowns=found.fit.unknowns,
        notes=list(found.notes),
    )
    if test is None:
        return entry
    return entry.model_copy(
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


def attainable_entry(measured: Measurements, threshold: float) -> AttainableReport | None:
    """Count the members that could be recovered at an SSIM threshold."""
    found = measured.attainable
    if found is None:
        return None
    return AttainableReport(
        attacks=[equation.attack.id for equation in found.equations],
        reachable=int((found.similarity + TOLERANCE >= threshold).sum()),
        members=len(found.similarity),
        threshold=threshold,
        tolerance=TOLERANCE,
        complete=found.complete,
    )


def identifiability_entries(
    found: dict[Attack, Analysis],
) -> dict[str, IdentifiabilityReport] | None:
    """Describe what the equations of a polynomial network determine; None where there is nothing to say."""
    return {attack.id: _identifiability(attack, said) for attack, said in found.items()} or None


def _identifiability(attack: Attack, said: Analysis) -> IdentifiabilityReport:
    return IdentifiabilityReport(
        source=attack.source,
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
        "contribution": None if best is None else float(best.fit.lengths[member]),
        "contribution_rank": None if best is None else int(best.ranks[member]),
        "attainable": None if highest is None else float(highest.similarity[member]),
    }
