"""Policies: YAML files that say what an audit must show, and the verdict that follows from them.

FAIL outranks INCONCLUSIVE, which outranks PASS. Nothing passes while there is a doubt: a limit on an attack
that did not run, on a count without controls, or on an audit that broke off, is not met but unknown. Findings that
are suppressed (`Facts.suppressed`) neither count towards a limit nor are doubts, and a reason says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

import audit
from audit.errors import PolicyError, suggest
from audit.model.modality import IMAGES, MODALITIES, Measure
from audit.scoring.intervals import clopper_pearson, limit_at_power, upper_limit
from audit.verdict.findings import (
    NO_LIMIT_AT_POWER,
    Facts,
    Finding,
    Requirements,
    Suppression,
    confirmed_id,
    doubts,
)
from audit.words import bound, origins, plural
from audit.yaml_file import read_mapping, validate

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Metric = Literal["confirmed", "confirmed_fraction", "recovered", "recovered_fraction"]

CALIBRATED: frozenset[Metric] = frozenset({"confirmed", "confirmed_fraction"})
"""Metrics that mean nothing without controls."""


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class MatchRule(_Part):
    """When a candidate counts as a reconstruction of a member."""

    metric: Measure = IMAGES.metric
    threshold: float = Field(default=IMAGES.threshold, gt=0.0, le=1.0)
    """From which a match counts as recovered; by default 0.4 for SSIM, 0.8 for correlation."""
    fdr: float = Field(default=0.05, gt=0.0, lt=1.0)
    """False discovery rate among the confirmed."""

    @model_validator(mode="before")
    @classmethod
    def _threshold_of_the_metric(cls, given: Any) -> Any:
        metric = given.get("metric") if isinstance(given, dict) else None
        return {"threshold": MODALITIES[metric].threshold, **given} if metric in MODALITIES else given


class Limit(_Part):
    """The largest value of a metric that may be released."""

    metric: Metric
    """Counts are of members; fractions are of all members, from 0 to 1."""
    maximum: float = Field(ge=0.0)


class Policy(_Part):
    """What an audit must show before a checkpoint is released (version 1)."""

    version: Literal[1]
    name: str = Field(min_length=1)
    description: str = ""
    match: MatchRule = MatchRule()
    limits: list[Limit]
    """May be empty, then the audit only reports; the key itself may not be left out."""
    require: Requirements = Requirements()


class LimitResult(BaseModel):
    """One limit, and what was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    metric: Metric
    """What is limited: a count of members, or a fraction of all of them."""
    maximum: float
    """Largest value that the policy allows."""
    value: float | None
    """Value that was measured; None when it could not be."""
    verdict: Verdict
    """Verdict on this limit alone."""


@dataclass(frozen=True)
class Judgement:
    """The verdict with everything that led to it."""

    verdict: Verdict
    """The worst of the limits' verdicts and the doubts."""
    reasons: tuple[str, ...]
    """Plain sentences, those that decided first; never empty."""
    limits: tuple[LimitResult, ...]
    """In the order of the policy."""


def judge(policy: Policy, facts: Facts) -> Judgement:
    """Apply a policy to what an audit found.

    Parameters
    ----------
    policy:
        As loaded; when the user chose another threshold, `facts.threshold` differs and a reason says so.
    facts:
        Counts and outcomes of the audit.
    """
    standing = [
        doubt.detail
        for doubt in doubts(facts, policy.require)
        if doubt.id not in facts.suppressed and _matters(doubt, policy, facts)
    ]
    limits = tuple(_apply(limit, facts, doubtful=bool(standing)) for limit in policy.limits)
    violations = [_violation(limit, facts) for limit in limits if limit.verdict == "FAIL"]
    remarks = [*_suppressions(facts), *_remarks(policy, facts)]
    if violations:
        return Judgement("FAIL", (*violations, *standing, *remarks), limits)
    if standing:
        return Judgement("INCONCLUSIVE", (*standing, *remarks), limits)
    return Judgement("PASS", (*_acquittal(policy, facts), *remarks), limits)


def _matters(doubt: Finding, policy: Policy, facts: Facts) -> bool:
    """Whether a doubt keeps this policy from passing."""
    if doubt.kind == "attack-failed":  # not required by the policy; the report lists it
        return False
    calibrated = [limit for limit in policy.limits if limit.metric in CALIBRATED]
    if doubt.kind == "cannot-confirm":
        return bool(calibrated)
    if doubt.kind == "unresolved-recoveries":
        possible = facts.confirmed_counted + facts.unresolved
        worst = {"confirmed": possible, "confirmed_fraction": possible / facts.members}
        return any(worst[limit.metric] > limit.maximum for limit in calibrated)
    return True


def _value(metric: Metric, facts: Facts) -> float | None:
    if metric in CALIBRATED and facts.controls == 0:
        return None
    count = facts.confirmed_counted if metric in CALIBRATED else facts.recovered_counted
    return count / facts.members if metric.endswith("_fraction") else float(count)


def _apply(limit: Limit, facts: Facts, doubtful: bool) -> LimitResult:
    value = _value(limit.metric, facts)
    discredited = bool(facts.null_confirmed) and "null-attack-confirmed" not in facts.suppressed
    unbelievable = limit.metric in CALIBRATED and discredited
    verdict: Verdict = "INCONCLUSIVE" if doubtful else "PASS"
    if value is not None and value > limit.maximum and not unbelievable:
        verdict = "FAIL"  # however incomplete the audit: p-values stay valid, and more work only adds
    return LimitResult(metric=limit.metric, maximum=limit.maximum, value=value, verdict=verdict)


def _violation(limit: LimitResult, facts: Facts) -> str:
    count, counted = facts.recovered, facts.recovered_counted
    word = f"recovered ({facts.similarity} >= {facts.threshold:g}, chance included)"
    if limit.metric in CALIBRATED:
        count, counted = facts.confirmed, facts.confirmed_counted
        word = f"confirmed: reconstructed from {origins(facts.sources, facts.gradient_kind)}, beyond chance"
    verb = "was" if count == 1 else "were"
    fewer = "" if counted == count else f" Of these, {_count(counted)}."
    allowed = f"{limit.maximum:.3g}"
    if limit.metric.endswith("_fraction"):
        allowed = f"{100 * limit.maximum:.3g} %"
    members = plural(facts.members, "training sample")
    return f"{count} of {members} {verb} {word}.{fewer} The policy allows {allowed}."


def _count(number: int) -> str:
    return f"{number or 'none'} {'count' if number > 1 else 'counts'}"


def _acquittal(policy: Policy, facts: Facts) -> list[str]:
    ran = ", ".join(attack for attack, fact in facts.attacks.items() if fact.status == "ran")
    if not policy.limits:
        return ["The policy sets no limit; this run only reports."]
    if not ran:  # these two pass only where somebody waived them
        return ["No attack ran: nothing speaks for this checkpoint, or against it."]
    if not facts.controls:
        return [
            f"Without controls nothing could be confirmed. {facts.recovered} of "
            f"{plural(facts.members, 'training sample')} reached {facts.similarity} >= {facts.threshold:g}, "
            f"chance included."
        ]
    if facts.confirmed:
        verb = "was" if facts.confirmed == 1 else "were"
        counted = facts.confirmed_counted
        fewer = "" if counted == facts.confirmed else f", of which {_count(counted)}"
        reasons = [
            f"{facts.confirmed} of {plural(facts.members, 'training sample')} {verb} confirmed at "
            f"{facts.similarity} >= {facts.threshold:g}{fewer}, which the policy allows."
        ]
    else:
        reasons = [
            f"No training sample was confirmed at {facts.similarity} >= {facts.threshold:g}: evidence of "
            f"resistance to the attacks run ({ran}), at this budget."
        ]
    reasons += _bounds(facts)
    if facts.resolution > 1:
        hidden = plural(facts.resolution - 1, "leaking sample")
        reasons.append(
            f"With {plural(facts.controls, 'control')}, up to {hidden} of {facts.members} could have gone "
            f"unconfirmed."
        )
    return reasons


def _bounds(facts: Facts) -> Iterator[str]:
    """How much may leak although nothing, or little, was confirmed."""
    if not facts.controls or facts.possible == facts.members:
        return
    found = f"{facts.possible} of {facts.members}"
    if facts.unresolved:
        found += f", counting {facts.unresolved} that more controls might confirm"
    limit, twin = upper_limit(facts.possible, facts.members), facts.positive_control
    yield (
        f"{found}: of samples like these, the attacks would confirm at most {bound(limit, up=True)} "
        f"(95 % upper limit)."
    )
    if twin is not None:
        low, high = clopper_pearson(twin.confirmed, twin.images)
        scaled = limit_at_power(facts.possible, facts.members, twin.confirmed, twin.images)
        allowed = NO_LIMIT_AT_POWER
        if scaled < 1.0:
            allowed = (
                f"at most {bound(scaled, up=True)} of the samples may leak as the twin's do (95 % upper limit, by "
                f"both counts)"
            )
        yield (
            f"They confirmed {twin.confirmed} of {plural(twin.images, 'sample')} of a twin that was made to leak "
            f"(95 % interval {bound(low, up=False)} to {bound(high, up=True)}): {allowed}."
        )


def _suppressions(facts: Facts) -> Iterator[str]:
    """What does not count, by the reason why; the confirmed members of one reason together."""
    by_reason: dict[Suppression, list[str]] = {}
    for name, why in facts.suppressed.items():
        by_reason.setdefault(why, []).append(name)
    for why, names in by_reason.items():
        others = [name for name in names if not name.startswith(confirmed_id(""))]
        if members := len(names) - len(others):
            verb = "is" if members == 1 else "are"
            yield f"{members} of {facts.confirmed} confirmed {verb} {why.words}."
        yield from (f"The finding {name} is {why.words}." for name in others)


def _remarks(policy: Policy, facts: Facts) -> list[str]:
    if facts.threshold == policy.match.threshold:
        return []
    return [
        f"The threshold used was {facts.similarity} >= {facts.threshold:g}; "
        f"the policy says {policy.match.threshold:g}."
    ]


def shipped_policies() -> list[str]:
    """Names of the policies that come with the tool, sorted."""
    return sorted(path.stem for path in _policy_folder().glob("*.yaml"))


def load_policy(name_or_path: str, known_attacks: Sequence[str]) -> Policy:
    """Read a policy by the name of a shipped one, or from a YAML file.

    Parameters
    ----------
    name_or_path:
        A name from `shipped_policies`, which wins over a file of that name, or the path of a file.
    known_attacks:
        Ids of the battery; a policy may require no other.

    Raises
    ------
    PolicyError
        When there is no such policy, or it cannot be read or asks for something unknown. Names the file and
        the key, and the nearest key, metric, attack or policy that exists.
    """
    path = policy_path(name_or_path)
    policy = read_policy(path)
    for attack in policy.require.attacks:
        if attack not in known_attacks:
            raise PolicyError(
                f"{path}: require.attacks names {attack!r}, which is no attack",
                suggest(attack, known_attacks),
            )
    return policy


def _policy_folder() -> Path:
    """`audit/policies` in an installed wheel, `policies` beside the package in a source tree."""
    package = Path(audit.__file__).parent
    inside = package / "policies"
    return inside if inside.is_dir() else package.parent / "policies"


def policy_path(name_or_path: str) -> Path:
    """Find a policy by the name of a shipped one, or by the path of a file.

    Raises
    ------
    PolicyError
        When there is none; names the nearest.
    """
    shipped = shipped_policies()
    if name_or_path in shipped:
        return _policy_folder() / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.exists():
        return path
    if path.suffix or len(path.parts) > 1:
        raise PolicyError(f"{path}: no such policy file", f"shipped policies are {', '.join(shipped)}")
    raise PolicyError(f"{name_or_path!r} is no policy and no file", suggest(name_or_path, shipped))


def read_policy(path: Path) -> Policy:
    """Read a policy as `load_policy` does, whatever attacks it requires."""
    content = read_mapping(path, "a policy", "start from `model-audit policy show release`", PolicyError)
    return validate(Policy, content, str(path), PolicyError)


def policy_text(path: Path) -> str:
    """Read a file as it is, its ends of lines too.

    Raises
    ------
    PolicyError
        When it cannot be read as text.
    """
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(f"{path}: cannot be read: {what}", "give a YAML file of text") from error
