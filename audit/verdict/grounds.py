"""The grounds of a PASS: what must hold before nothing found means that there is nothing to find.

Every validity issue takes one ground away (`GROUND_OF`). A ground that no issue takes away holds, on the basis that
`_BASES` reads off the facts, or was not checked, where these do not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from audit.scoring.intervals import clopper_pearson
from audit.verdict.facts import AttackFact, Facts, PowerFact
from audit.verdict.finding import Finding, Kind, Value
from audit.verdict.policy import Requirements
from audit.verdict.reading import basis, misreading

GroundId = Literal["calibrated", "exchangeable", "reading", "tested", "informative", "resolved"]
GROUNDS: tuple[GroundId, ...] = get_args(GroundId)
"""In the order of reports."""

GROUND_OF: dict[Kind, GroundId] = {
    "incomplete-audit": "tested",
    "no-attack-ran": "tested",
    "observed-not-attacked": "tested",
    "batch-unclear": "tested",
    "initial-not-attacked": "tested",
    "required-attack-missing": "tested",
    "misread": "reading",
    "reading-unchecked": "reading",
    "uncalibrated-audit": "calibrated",
    "too-few-controls": "calibrated",
    "cannot-confirm": "calibrated",
    "null-attack-confirmed": "calibrated",
    "null-attack-missing": "calibrated",
    "controls-differ": "exchangeable",
    "roles-exchanged": "exchangeable",
    "unresolved-recoveries": "resolved",
    "uninformative-silence": "informative",
    "positive-control-failed": "informative",
    "positive-control-missing": "informative",
}
"""Which ground a finding takes away, for every kind that can withhold PASS."""
ASSUMED: frozenset[GroundId] = frozenset({"exchangeable", "reading", "informative"})
"""Grounds that say whether nothing found means something; a policy without limits claims nothing of that."""
EARNED: frozenset[Kind] = frozenset({"uninformative-silence", "reading-unchecked"})
"""Findings that withhold PASS only under policies with `require.informative: true`."""

Basis = Literal[
    "enough-controls",
    "alike",
    "differ-little",
    "attacks-ran",
    "found-some",
    "untrained",
    "describes",
    "has-power",
    "none-stands-out",
    "explained",
    "knows",
    "correlates",
    "renumbered",
    "surer",
    "never-trained",
]
_NEAR = (1.2, 0.01)
"""Times the loss of the true samples, or that plus so much: an attack that got there, got as far as they do."""


@dataclass(frozen=True)
class Ground:
    """One ground of a PASS."""

    id: GroundId
    """Which one."""
    holds: bool | None
    """None where it was not checked."""
    basis: Basis | None = None
    """What it rests on; None where it does not hold or was not checked."""
    values: dict[str, Value] = field(default_factory=dict)
    """Numbers and names that the sentence on its basis needs."""
    issue: Finding | None = None
    """The finding that takes it away, a suppressed one only if there is no other; None where it holds or was not
    checked."""
    asked: bool = True
    """Whether the policy withholds PASS for that finding."""


def grounds(
    facts: Facts, bearing: Sequence[Finding], others: Sequence[Finding], require: Requirements
) -> tuple[Ground, ...]:
    """All grounds of a PASS, whether they hold or not.

    Parameters
    ----------
    facts:
        Counts and outcomes of the audit.
    bearing, others:
        Its validity issues that bear on the verdict, and those that do under other policies; the gravest first.
    require:
        What the policy asks of an audit.
    """
    lost: dict[GroundId, Finding] = {}
    for issue in [*sorted(bearing, key=lambda one: one.suppression is not None), *others]:
        lost.setdefault(GROUND_OF[issue.kind], issue)
    return tuple(_ground(name, facts, lost.get(name), require, bearing) for name in GROUNDS)


def _ground(
    name: GroundId,
    facts: Facts,
    issue: Finding | None,
    require: Requirements,
    bearing: Sequence[Finding],
) -> Ground:
    if issue is not None:
        return Ground(name, False, issue=issue, asked=issue in bearing)
    found = _BASES[name](facts, require) if name in _BASES else None
    return Ground(name, None) if found is None else Ground(name, True, found[0], dict(found[1]))


_Found = tuple[Basis, Mapping[str, Value]] | None


def _calibrated(facts: Facts, require: Requirements) -> _Found:
    if not facts.controls:
        return None
    return "enough-controls", {"controls": facts.controls, "required": require.controls}


def _exchangeable(facts: Facts, require: Requirements) -> _Found:
    found = facts.exchangeability
    if found is None:
        return None
    if not found.aspects:
        return "alike", {"p_value": found.p_value}
    values: dict[str, Value] = {
        "aspects": list(found.aspects),
        "p_value": found.p_value,
        "confirmed": facts.confirmed,
        "confirmable": found.confirmable,
        "members": facts.members,
    }
    return "differ-little", values


def _tested(facts: Facts, require: Requirements) -> _Found:
    ran = [attack for attack, fact in facts.attacks.items() if fact.status == "ran"]
    return ("attacks-ran", {"attacks": ran}) if ran else None


def _resolved(facts: Facts, require: Requirements) -> _Found:
    return ("none-stands-out", {"unresolved": facts.unresolved}) if facts.controls else None


def informative(facts: Facts, require: Requirements) -> _Found:
    """Why nothing found means something: basis and values; None where it means little.

    Either attacks found samples of this very network; or its weights cannot be told from an initialisation, and the
    membership test cannot tell members from controls; or an equation describes the weights, for the true samples
    solve it, and its attack got as far as they do; or the attacks found what a model with the same noise was made
    to leak.
    """
    if facts.confirmed:
        return "found-some", {"confirmed": facts.confirmed}
    members = facts.membership
    if facts.untrained and members is not None and members.low <= 0.5:
        return "untrained", {"auc": members.auc, "low": members.low, "high": members.high}
    for name, attack in facts.attacks.items():
        if _describes(attack, require.true_loss):
            return "describes", {"attack": name, "true": attack.true_loss, "reached": attack.relative_loss}
    if (control := _counting(facts)) is not None:
        low, _ = clopper_pearson(control.confirmed, control.images)
        if low > require.informative_power:
            values: dict[str, Value] = {"confirmed": control.confirmed, "samples": control.images, "low": low}
            return "has-power", values
    return None


def silence(facts: Facts, require: Requirements) -> dict[str, Value]:
    """Say why nothing found means little: values of the finding `uninformative-silence`.

    Of the attacks that ran, the one whose equation the true samples solve best is named.
    """
    measured = [
        (loss, name) for name, one in facts.attacks.items() if (loss := one.adjusted_loss) is not None
    ]
    adjusted, name = min(measured, default=(None, ""))
    best, control = facts.attacks.get(name), _counting(facts)
    return {
        "attack": name,
        "true": None if best is None else best.true_loss,
        "described": adjusted is not None and adjusted <= require.true_loss,
        "reached": None if best is None else best.relative_loss,
        "limit": require.true_loss,
        "initial": bool(facts.initial),
        "confirmed": None if control is None else control.confirmed,
        "samples": None if control is None else control.images,
        "power": require.informative_power,
    }


def _counting(facts: Facts) -> PowerFact | None:
    """The positive control, unless the network was misread: the model of that was misread in the same way."""
    return None if misreading(facts) else facts.positive_control


def _describes(attack: AttackFact, limit: float) -> bool:
    true, adjusted, reached = attack.true_loss, attack.adjusted_loss, attack.relative_loss
    if true is None or adjusted is None or reached is None or adjusted > limit:
        return False
    times, more = _NEAR
    return reached <= max(times * true, true + more)


def _reading(facts: Facts, require: Requirements) -> _Found:
    return basis(facts)


_BASES: dict[GroundId, Callable[[Facts, Requirements], _Found]] = {
    "reading": _reading,
    "calibrated": _calibrated,
    "exchangeable": _exchangeable,
    "tested": _tested,
    "informative": informative,
    "resolved": _resolved,
}
