"""From the numbers of an audit to its findings, each with an id that stays the same between runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.scoring.intervals import controls_needed
from audit.verdict.facts import AttackFact, Facts, Matched
from audit.verdict.finding import Finding, Value, make_finding
from audit.verdict.grounds import informative, silence
from audit.verdict.policy import Requirements
from audit.verdict.reading import misreading, unchecked


def findings(facts: Facts, samples: Sequence[Matched], require: Requirements) -> list[Finding]:
    """All findings of an audit, reconstructions first.

    Parameters
    ----------
    facts:
        Counts and outcomes of the audit.
    samples:
        One entry per member, in the order of the data.
    require:
        What the policy asks of an audit.

    Returns
    -------
    list[Finding]
        One per confirmed member, one for all members that were recovered but not confirmed, then the validity
        issues. Ids are unique when member ids are.
    """
    return [*_reconstructions(facts, samples), *validity_issues(facts, require)]


def validity_issues(facts: Facts, require: Requirements) -> list[Finding]:
    """Why the audit may have missed something, or why its count cannot be relied on; the gravest first."""
    return [
        *_of_reading(facts),
        *_of_attacks(facts, require),
        *_of_calibration(facts, require),
        *_of_controls(facts, require),
        *_of_labels(facts),
        *_of_silence(facts, require),
    ]


def _reconstructions(facts: Facts, samples: Sequence[Matched]) -> Iterator[Finding]:
    doubtful = () if facts.exchangeability is None else facts.exchangeability.explained
    for sample in samples:
        if sample.confirmed:
            yield make_finding(
                "confirmed-reconstruction",
                {
                    "member": sample.id,
                    "measure": facts.similarity,
                    "similarity": sample.similarity,
                    "p_value": sample.p_value,
                    "evidence": sample.evidence,
                },
                about=sample.id,
                samples=[sample.id],
                confidence="low" if facts.null_confirmed or sample.id in doubtful else "high",
            )
    rest = [sample.id for sample in samples if sample.recovered and not sample.confirmed]
    if rest:
        yield make_finding(
            "recovered-not-confirmed",
            {"count": len(rest), "measure": facts.similarity, "threshold": facts.threshold},
            samples=rest,
        )


def _of_reading(facts: Facts) -> Iterator[Finding]:
    if (values := misreading(facts)) is not None:
        yield make_finding("misread", values)


def _of_labels(facts: Facts) -> Iterator[Finding]:
    if (values := unchecked(facts)) is not None:
        yield make_finding("reading-unchecked", values)


def _of_attacks(facts: Facts, require: Requirements) -> Iterator[Finding]:
    if not facts.complete:
        yield make_finding("incomplete-audit")
    if not any(fact.status == "ran" for fact in facts.attacks.values()):
        yield make_finding("no-attack-ran")
    if facts.batch_rank is not None:
        yield make_finding(
            "batch-unclear",
            {"observed": facts.gradient_kind, "rank": facts.batch_rank, "members": facts.members},
        )
    if (unused := _unused(facts.observed, facts, require)) is not None:
        yield make_finding("observed-not-attacked", {"observed": facts.gradient_kind, **unused})
    if (unused := _unused(facts.initial, facts, require)) is not None:
        yield make_finding("initial-not-attacked", unused)
    for attack in require.attacks:
        fact = facts.attacks.get(attack)
        if fact is None or fact.status != "ran":
            yield make_finding("required-attack-missing", _outcome(attack, fact), about=attack)
    for attack, fact in facts.attacks.items():
        if fact.status == "failed" and attack not in require.attacks:
            yield make_finding("attack-failed", _outcome(attack, fact), about=attack)


def _unused(attacks: Sequence[str], facts: Facts, require: Requirements) -> dict[str, Value] | None:
    """How the best attack ended on what the user gave besides the checkpoint; None if it explained some of it.

    That is also None where nothing was given.
    """
    if not attacks:
        return None
    found = {attack: facts.attacks[attack] for attack in attacks}
    ran = {attack: fact for attack, fact in found.items() if fact.status == "ran"} or found
    best, fact = min(ran.items(), key=lambda pair: _explained(pair[1]))
    if fact.status == "ran" and _explained(fact) <= require.attack_loss:
        return None
    return {**_outcome(best, fact), "reached": fact.relative_loss, "limit": require.attack_loss}


def _explained(fact: AttackFact) -> float:
    return 1.0 if fact.relative_loss is None else fact.relative_loss


def _outcome(attack: str, fact: AttackFact | None) -> dict[str, Value]:
    if fact is None:
        return {"attack": attack, "status": "absent", "reason": ""}
    return {"attack": attack, "status": fact.status, "reason": fact.reason}


def _of_calibration(facts: Facts, require: Requirements) -> Iterator[Finding]:
    if facts.controls == 0:
        yield make_finding("uncalibrated-audit")
        return
    if facts.controls < require.controls:
        yield make_finding("too-few-controls", {"controls": facts.controls, "required": require.controls})
    if facts.resolution > facts.members:
        yield make_finding(
            "cannot-confirm",
            {
                "controls": facts.controls,
                "smallest_p": facts.smallest_p,
                "fdr": facts.fdr,
                "needed": controls_needed(facts.members, facts.members, facts.fdr),
            },
        )
    elif facts.unresolved and facts.unresolved_chance < facts.fdr:
        yield make_finding(
            "unresolved-recoveries",
            {
                "unresolved": facts.unresolved,
                "chance": facts.unresolved_chance,
                "controls": facts.controls,
                "least": facts.resolution,
                "members": facts.members,
                "needed": controls_needed(facts.members, facts.possible, facts.fdr),
            },
        )


def _of_controls(facts: Facts, require: Requirements) -> Iterator[Finding]:
    if facts.null_confirmed:
        yield make_finding("null-attack-confirmed", {"count": facts.null_confirmed})
    if facts.null_confirmed is None and facts.controls:
        yield make_finding("null-attack-missing")
    yield from _of_exchangeability(facts)
    control, least = facts.positive_control, require.least_power
    told = require.informative and not least and informative(facts, require) is None  # by `_of_silence`
    few = control is not None and (control.confirmed == 0 or control.confirmed < least * control.images)
    if control is not None and few and not told:
        yield make_finding(
            "positive-control-failed",
            {
                "confirmed": control.confirmed,
                "samples": control.images,
                "required": least,
                "note": control.note,
            },
        )
    if control is None and least:
        yield make_finding("positive-control-missing")


def _of_silence(facts: Facts, require: Requirements) -> Iterator[Finding]:
    tested = facts.complete and any(fact.status == "ran" for fact in facts.attacks.values())
    if tested and not misreading(facts) and informative(facts, require) is None:
        yield make_finding("uninformative-silence", silence(facts, require))


def _of_exchangeability(facts: Facts) -> Iterator[Finding]:
    found = facts.exchangeability
    if found is not None and found.aspects and (found.explained or found.confirmable < facts.members / 2):
        yield make_finding(
            "controls-differ",
            {
                "aspects": list(found.aspects),
                "p_value": found.p_value,
                "explained": len(found.explained),
                "confirmed": facts.confirmed,
                "confirmable": found.confirmable,
                "members": facts.members,
            },
            samples=found.explained,
        )
    if facts.controls_confirmed:
        yield make_finding(
            "roles-exchanged",
            {"count": facts.controls_confirmed, "controls": facts.controls, "confirmed": facts.confirmed},
        )
