"""From outcomes to findings: what a reviewer should know, each with an id that stays the same between runs.

There are two sorts. *Reconstructions* say which training samples came back. *Doubts* say why the audit may
have missed some, or why its count cannot be believed; `audit.verdict.policy.judge` turns them into INCONCLUSIVE.
Severity (how bad it is if true) and confidence (how sure the audit is that it is true) are separate fields,
a habit taken from zizmor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from audit.scoring.intervals import resolution
from audit.words import plural

_LEAST_POWER = 0.1
"""What a policy requires that asks for a positive control without a number."""

NO_LIMIT_AT_POWER = (
    "the power is too low, or too uncertain, to limit what may leak as the positive control's do"
)
"""Said where twin and count together bound nothing."""

AttackStatus = Literal["ran", "skipped", "failed"]
Source = Literal["weights", "change", "gradient"]
"""What an attack reconstructs from: the weights, their change in training, or an observed gradient."""
Severity = Literal["high", "medium", "low", "info"]
Confidence = Literal["high", "medium", "low"]
Kind = Literal[
    "confirmed-reconstruction",
    "recovered-not-confirmed",
    "unresolved-recoveries",
    "uncalibrated-audit",
    "too-few-controls",
    "cannot-confirm",
    "null-attack-confirmed",
    "null-attack-missing",
    "required-attack-missing",
    "attack-failed",
    "no-attack-ran",
    "observed-not-attacked",
    "positive-control-missing",
    "positive-control-failed",
    "incomplete-audit",
]


RULES: dict[Kind, tuple[Severity, Confidence, str]] = {
    "confirmed-reconstruction": ("high", "high", "A training sample can be reconstructed"),
    "recovered-not-confirmed": ("medium", "low", "Matches that chance may explain"),
    "incomplete-audit": ("high", "high", "The audit is incomplete"),
    "no-attack-ran": ("high", "high", "No attack ran"),
    "observed-not-attacked": ("high", "high", "No attack used what was observed"),
    "required-attack-missing": ("high", "high", "A required attack did not run"),
    "attack-failed": ("medium", "high", "An attack failed"),
    "uncalibrated-audit": ("high", "high", "The count is not calibrated"),
    "too-few-controls": ("medium", "high", "Fewer controls than the policy requires"),
    "cannot-confirm": ("high", "high", "Nothing could have been confirmed"),
    "unresolved-recoveries": ("high", "medium", "Too few controls to tell recoveries from chance"),
    "null-attack-confirmed": ("high", "high", "The null attack found training samples"),
    "null-attack-missing": ("medium", "high", "The null attack did not run"),
    "positive-control-failed": ("high", "high", "The positive control failed"),
    "positive-control-missing": ("medium", "high", "The positive control did not run"),
}
"""Severity, usual confidence and title of every kind."""


class Suppression(BaseModel):
    """Why a finding does not count, though it is still told."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["waiver", "baseline"]
    """Whether somebody took responsibility for the finding, or an earlier run that was accepted has it too."""
    reason: str
    """Reason that the waiver gives, or which earlier run has the finding."""
    owner: str = ""
    """Who took responsibility; empty for a baseline."""
    expires: str | None = None
    """Last day on which a waiver holds, ISO 8601; None for a baseline."""

    @property
    def words(self) -> str:
        """What follows `is` in a sentence about the finding."""
        if self.kind == "waiver":
            return f"waived by {self.owner} until {self.expires}: {self.reason.rstrip('.')}"
        return f"not new: {self.reason.rstrip('.')}"


class Finding(BaseModel):
    """One thing a reviewer should know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str
    """Stable between runs: the kind, then what it is about, e.g. `confirmed-reconstruction/face-07`."""
    kind: Kind
    """What sort of finding it is; `model-audit docs findings` has a section on each."""
    severity: Severity
    """How bad it is if it is true."""
    confidence: Confidence
    """How sure the audit is that it is true."""
    title: str
    """Title of the kind of finding, in a few words."""
    detail: str
    """What was found, in one or two sentences."""
    samples: list[str] = []
    """Ids of the members concerned."""
    suppression: Suppression | None = None
    """None for a finding that counts."""


def _power(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, int | float) and 0 < value <= 1):
        return value
    raise ValueError("expected true, false, or the smallest power, above 0 and at most 1")


class Requirements(BaseModel):
    """What an audit must have done before its silence counts as evidence (`require` in a policy)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    controls: int = Field(default=0, ge=0)
    """Smallest number of control images."""
    attacks: list[str] = []
    """Ids of attacks that must have run."""
    positive_control: Annotated[bool | float, BeforeValidator(_power)] = False
    """Whether the battery must have found the images of a twin that was made to leak, or what share of them at the
    least."""

    @property
    def least_power(self) -> float:
        """Share of the twin's images that must be confirmed: 0 if no positive control is required."""
        required = self.positive_control
        return _LEAST_POWER * required if isinstance(required, bool) else required


@dataclass(frozen=True)
class AttackFact:
    """What became of one attack."""

    status: AttackStatus
    """Whether it ran."""
    reason: str
    """Why it was skipped or failed; ignored for an attack that ran."""


@dataclass(frozen=True)
class PowerFact:
    """What the battery found of a twin's images."""

    images: int
    """Of the twin, at least 1."""
    confirmed: int
    """Of them."""
    note: str = ""
    """What did not go as planned."""


@dataclass(frozen=True)
class Facts:
    """Everything a verdict depends on, filled in by the pipeline."""

    members: int
    """Training samples compared, at least 1."""
    controls: int
    """Control images compared; 0 means that nothing is calibrated."""
    threshold: float
    """From which a match counted as recovered in this audit."""
    fdr: float
    """False discovery rate given to Benjamini-Hochberg."""
    recovered: int
    """Members with a similarity at or above the threshold."""
    confirmed: int
    """Recovered members that Benjamini-Hochberg rejects."""
    unresolved: int
    """Recovered members that beat every control and are still not confirmed: `len(ahead_of_controls(..))`."""
    null_confirmed: int | None
    """Members confirmed by the null attack; None when it did not run or there are no controls."""
    attacks: Mapping[str, AttackFact]
    """By attack id, every attack of the battery."""
    sources: tuple[Source, ...] = ()
    """What confirmed members were reconstructed from."""
    gradient_kind: Literal["gradient", "update"] = "gradient"
    """What was observed, if anything."""
    observed: tuple[str, ...] = ()
    """Ids of the attacks on an observed gradient or update; empty when none was given."""
    positive_control: PowerFact | None = None
    """What came of the positive control; None when none was run."""
    complete: bool = True
    """False when the audit broke off."""
    similarity: str = "SSIM"
    """What the threshold is of: SSIM, or correlation for rows of a table."""
    suppressed: Mapping[str, Suppression] = field(default_factory=dict)
    """By id, the findings of this audit that do not count, and why not."""

    @property
    def confirmed_counted(self) -> int:
        """Confirmed members without those that are suppressed: what a limit sees."""
        return self.confirmed - sum(name.startswith(confirmed_id("")) for name in self.suppressed)

    @property
    def recovered_counted(self) -> int:
        """Recovered members without those that are suppressed: what a limit sees."""
        others = 0 if "recovered-not-confirmed" in self.suppressed else self.recovered - self.confirmed
        return self.confirmed_counted + others

    @property
    def possible(self) -> int:
        """Members that are confirmed, or would be if there were controls enough."""
        return self.confirmed + self.unresolved

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that this many controls can give."""
        return 1.0 / (1 + self.controls)

    @property
    def resolution(self) -> int:
        """Smallest number of members that can be confirmed together: `resolution(..)` of this audit."""
        return resolution(self.members, self.controls, self.fdr)

    @property
    def unresolved_chance(self) -> float:
        """Probability that chance alone puts at least `unresolved` members ahead of every control.

        If members and controls are exchangeable, the u highest of n + k scores all belong to members with
        probability C(n, u) / C(n + k, u). Only ever used to withhold a PASS.
        """
        return math.comb(self.members, self.unresolved) / math.comb(
            self.members + self.controls, self.unresolved
        )


class Matched(Protocol):
    """What findings need to know of a member; `audit.report.schema.Sample` fits."""

    @property
    def id(self) -> str:
        """Name of the member."""

    @property
    def similarity(self) -> float:
        """To its best candidate: SSIM, or correlation of rows of a table."""

    @property
    def p_value(self) -> float | None:
        """Conformal p-value; None without controls."""

    @property
    def recovered(self) -> bool:
        """Whether it reached the threshold."""

    @property
    def confirmed(self) -> bool:
        """Whether it was recovered beyond chance."""


def ahead_of_controls(samples: Sequence[Matched], controls: int) -> list[str]:
    """Ids of recovered members that no control matches in margin, yet are not confirmed."""
    if controls == 0:
        return []
    highest = 1.5 / (1 + controls)  # halfway between the smallest p-value and the next one
    return [s.id for s in samples if s.recovered and not s.confirmed and (s.p_value or 1.0) < highest]


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
        One per confirmed member, one for all members that were recovered but not confirmed, then the doubts.
        Ids are unique when member ids are.
    """
    return [*_reconstructions(facts, samples), *doubts(facts, require)]


def doubts(facts: Facts, require: Requirements) -> list[Finding]:
    """Why the audit may have missed something, or why its count cannot be believed; the gravest first."""
    return [
        *_doubts_about_attacks(facts, require),
        *_doubts_about_controls(facts, require),
        *_doubts_about_null_and_twin(facts, require),
    ]


def confirmed_id(member: str) -> str:
    """Id of the finding that a member was reconstructed beyond chance."""
    return f"confirmed-reconstruction/{member}"


def with_suppressions(found: Sequence[Finding], why: Mapping[str, Suppression]) -> list[Finding]:
    """Mark the findings that do not count, by their ids. Ids that do not occur are passed over."""
    return [one.model_copy(update={"suppression": why.get(one.id)}) for one in found]


def _reconstructions(facts: Facts, samples: Sequence[Matched]) -> Iterator[Finding]:
    for sample in samples:
        if sample.confirmed:
            p_value = "" if sample.p_value is None else f", p-value {sample.p_value:.2g}"
            yield _finding(
                "confirmed-reconstruction",
                f"{sample.id} was reconstructed beyond chance "
                f"({facts.similarity} {sample.similarity:.2f}{p_value}).",
                about=sample.id,
                samples=[sample.id],
                confidence="low" if facts.null_confirmed else "high",
            )
    rest = [sample.id for sample in samples if sample.recovered and not sample.confirmed]
    if rest:
        looks, was = ("looks", "was") if len(rest) == 1 else ("look", "were")
        yield _finding(
            "recovered-not-confirmed",
            f"{plural(len(rest), 'training sample')} {looks} like a reconstruction ({facts.similarity} >= "
            f"{facts.threshold:g}), but {was} not shown to be more than chance.",
            samples=rest,
        )


def _doubts_about_attacks(facts: Facts, require: Requirements) -> Iterator[Finding]:
    if not facts.complete:
        yield _finding(
            "incomplete-audit",
            "The audit broke off before it was finished: what it did not get to is not counted.",
        )
    if not any(fact.status == "ran" for fact in facts.attacks.values()):
        yield _finding("no-attack-ran", "No attack ran, so nothing was tested.")
    if facts.observed and not any(facts.attacks[attack].status == "ran" for attack in facts.observed):
        first = facts.observed[0]
        yield _finding(
            "observed-not-attacked",
            f"What was observed was not tested: {first} {_outcome(facts.attacks[first])}.",
        )
    for attack in require.attacks:
        fact = facts.attacks.get(attack)
        if fact is None or fact.status != "ran":
            what = "was not part of this audit" if fact is None else _outcome(fact)
            yield _finding(
                "required-attack-missing",
                f"The policy requires the attack {attack}, which {what}.",
                about=attack,
            )
    for attack, fact in facts.attacks.items():
        if fact.status == "failed" and attack not in require.attacks:
            yield _finding("attack-failed", f"{attack} {_outcome(fact)}.", about=attack)


def _outcome(fact: AttackFact) -> str:
    verb = "failed" if fact.status == "failed" else "was skipped"
    return f"{verb}: {fact.reason.rstrip('.')}" if fact.reason else verb


def _doubts_about_controls(facts: Facts, require: Requirements) -> Iterator[Finding]:
    if facts.controls == 0:
        yield _finding(
            "uncalibrated-audit",
            "There were no controls, so the count is not calibrated: how much of it is chance, nobody "
            "can say.",
        )
        return
    if facts.controls < require.controls:
        verb = "was" if facts.controls == 1 else "were"
        yield _finding(
            "too-few-controls",
            f"The policy requires {plural(require.controls, 'control')}, and there {verb} {facts.controls}.",
        )
    controls = plural(facts.controls, "control")
    if facts.resolution > facts.members:
        yield _finding(
            "cannot-confirm",
            f"With {controls} the smallest possible p-value is {facts.smallest_p:.2g}, above the false "
            f"discovery rate of {facts.fdr:g}: nothing could have been confirmed. That takes at least "
            f"{math.ceil(1 / facts.fdr - 1e-9) - 1} controls.",
        )
    elif facts.unresolved and facts.unresolved_chance < facts.fdr:
        enough = math.ceil(facts.members / (facts.fdr * (facts.confirmed + facts.unresolved)) - 1e-9) - 1
        verb = "beats" if facts.unresolved == 1 else "beat"
        yield _finding(
            "unresolved-recoveries",
            f"{plural(facts.unresolved, 'recovered training sample')} {verb} every control, which chance "
            f"does with probability {facts.unresolved_chance:.2g}; but {controls} cannot confirm fewer than "
            f"{facts.resolution} of {facts.members} samples. About {enough} controls could.",
        )


def _doubts_about_null_and_twin(facts: Facts, require: Requirements) -> Iterator[Finding]:
    if facts.null_confirmed:
        yield _finding(
            "null-attack-confirmed",
            f"The null attack, which learns nothing from the weights, confirmed "
            f"{plural(facts.null_confirmed, 'training sample')}: the similarity measure is biased for this "
            f"data, and the count cannot be believed.",
        )
    if facts.null_confirmed is None and facts.controls:
        yield _finding(
            "null-attack-missing",
            "The null attack did not run, so nothing shows that the similarity measure is fair to this data.",
        )
    twin, least = facts.positive_control, require.least_power
    if twin is not None and (twin.confirmed == 0 or twin.confirmed < least * twin.images):
        needed = f", and the policy requires {100 * least:.3g} %" if least else ""
        note = f" ({twin.note})" if twin.note else ""
        worth = "finding little here means little"
        if twin.confirmed == 0:
            worth = "they could find nothing even there, so their silence here says nothing"
        yield _finding(
            "positive-control-failed",
            f"The same attacks confirmed {twin.confirmed} of {plural(twin.images, 'sample')} of a twin that was "
            f"made to leak{note}{needed}: {worth}. More time or controls may help.",
        )
    if twin is None and least:
        yield _finding(
            "positive-control-missing",
            "The policy requires a positive control (the same attacks on a twin that was made to leak), and none "
            "was run: pass --positive-control.",
        )


def _finding(
    kind: Kind,
    detail: str,
    about: str = "",
    samples: Sequence[str] = (),
    confidence: Confidence | None = None,
) -> Finding:
    severity, usual, title = RULES[kind]
    return Finding(
        id=f"{kind}/{about}" if about else kind,
        kind=kind,
        severity=severity,
        confidence=confidence or usual,
        title=title,
        detail=detail,
        samples=list(samples),
    )
