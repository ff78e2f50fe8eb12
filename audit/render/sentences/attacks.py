"""How far each attack got, measured by the loss of the true samples, and what sample splitting added."""

from __future__ import annotations

from audit.report.outcomes import AttackReport
from audit.report.schema import Report
from audit.words import plural, share, significant

_LITTLE_TO_FIND = 0.5
"""Loss at the true samples from which an equation is no model of the training."""

BEFORE_SPLITTING = (
    "Before: the same restarts just before their first split, early in their schedule. After: at its end. Not all "
    "of the difference is due to splitting, for without it an attack would have gone on from there as well; "
    "--no-splitting shows how far."
)
"""What the figures before splitting are, and are not."""


def true_loss(report: Report, attack: AttackReport) -> float | None:
    """Relative loss that the training samples themselves leave in an attack's equation, if measured."""
    return (report.diagnostics.stationarity or {}).get(attack.id)


def stopped_short(report: Report, attack: AttackReport) -> bool:
    """Whether an attack stopped above the loss of the true samples, in an equation that describes something."""
    left, reached = true_loss(report, attack), attack.relative_loss
    if left is None or reached is None or left > _LITTLE_TO_FIND:
        return False
    return reached > max(1.2 * left, left + 0.01)


def standing(report: Report, attack: AttackReport) -> str:
    """Compare where an attack stopped with the true samples; empty for one that did not run."""
    left, reached = true_loss(report, attack), attack.relative_loss
    if reached is None:
        return ""
    if left is None:
        return "The loss at the true samples was not measured."
    if left > _LITTLE_TO_FIND:
        return _little_to_find(attack, left)
    if stopped_short(report, attack):
        return (
            f"Stopped at {share(reached)}, above the loss of the true samples ({share(left)}): more time may "
            f"help."
        )
    if reached < left / 2:
        return (
            f"Stopped at {share(reached)}, below the loss of the true samples ({share(left)}): the equation has "
            f"other solutions."
        )
    return f"Stopped at {share(reached)}, near the loss of the true samples ({share(left)})."


def _little_to_find(attack: AttackReport, left: float) -> str:
    observed = attack.source == "gradient"
    what = "what was observed" if observed else "these weights"
    worth = "" if attack.confirmed else ", so a negative result is not informative"
    text = f"Loss at the true samples: {share(left)}. The equation describes little of {what}{worth}."
    if not observed:
        return text
    return (
        f"{text} A gradient of these samples at this checkpoint would be explained in full: other samples, several "
        f"steps, clipping or noise are likely."
    )


def splitting(report: Report, attack: AttackReport) -> str:
    """Say what became of the members' matches, or that no round of splitting was kept."""
    part = attack.splitting
    if part is None:
        return ""
    if part.rounds == 0:
        return (
            "No round of splitting was kept, as none lowered what the attack minimises, or none was begun: "
            "nothing here comes from a split."
        )
    if not part.similarity_before:
        return ""
    pairs = list(zip(part.similarity_before, part.similarity_after, strict=True))
    rose, fell = (
        sum(after > before for before, after in pairs),
        sum(after < before for before, after in pairs),
    )
    return (
        f"{report.similarity} of {plural(len(pairs), 'member')}: higher after for {rose}, lower for {fell}."
    )


def splitting_cells(report: Report, attack: AttackReport) -> list[str]:
    """Cells of an attack with splitting: rounds, splits, loss, recovered, confirmed, gradient, eigenvalue."""
    part = attack.splitting
    if part is None:
        return []
    change = ["—"] * 3
    if part.rounds:
        change = [
            f"{significant(part.relative_loss_before)} → {significant(part.relative_loss_after)}",
            f"{part.recovered_before} → {part.recovered_after}",
            f"{part.confirmed_before} → {part.confirmed_after}" if report.summary.controls else "—",
        ]
    certificate = [significant(part.gradient), significant(part.eigenvalue)]
    return [str(part.rounds), str(part.splits), *change, *certificate]
