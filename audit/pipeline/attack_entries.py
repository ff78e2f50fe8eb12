"""The entries of a report on attacks: how each ran, what it found, and what sample splitting added."""

from __future__ import annotations

from audit.battery import AttackResult, Outcome
from audit.pipeline.scores import Scores
from audit.report.outcomes import AttackReport, Splitting
from audit.scoring.calibration import Part
from audit.verdict.facts import AttackFact


def attack_entry(outcome: Outcome, fact: AttackFact, scores: Scores) -> AttackReport:
    """Describe how an attack ran, as the verdict has it, and what it found."""
    attack = outcome.attack
    entry = AttackReport(
        id=attack.id,
        title=attack.title,
        reference=attack.papers,
        status=fact.status,
        reason=fact.reason,
        source=attack.source,
    )
    if not isinstance(outcome, AttackResult):
        return entry
    belief = scores.by_attack[attack.id]
    return AttackReport(
        **entry.model_dump(include={"id", "title", "reference", "status", "reason", "source"}),
        seconds=round(outcome.seconds, 2),
        restarts=outcome.restarts,
        steps=outcome.steps,
        candidates=len(outcome.reconstructions),
        relative_loss=outcome.relative_loss,
        recovered=belief.recovered_count,
        confirmed=belief.confirmed_count,
        history=list(outcome.history),
        splitting=_splitting(outcome, belief, scores.before_splitting.get(attack.id)),
    )


def _splitting(result: AttackResult, after: Part, before: Part | None) -> Splitting | None:
    """Compare an attack before and after sample splitting; None if it did not split."""
    done = result.splitting
    if done is None or before is None:
        return None
    return Splitting(
        rounds=int(done.rounds.sum()),
        splits=int(done.splits.sum()),
        relative_loss_before=float(done.losses.min()),
        relative_loss_after=result.relative_loss,
        recovered_before=before.recovered_count,
        recovered_after=after.recovered_count,
        confirmed_before=before.confirmed_count,
        confirmed_after=after.confirmed_count,
        gradient=done.gradient,
        eigenvalue=done.eigenvalue,
        similarity_before=before.matching.members.similarity.tolist(),
        similarity_after=after.matching.members.similarity.tolist(),
    )
