"""What a reviewer should know, as data: kinds of findings, their severity, and why some are suppressed.

There are two sorts. *Reconstructions* say which training samples came back. *Validity issues* say why the audit may
have missed some, or why its count cannot be relied on; `audit.verdict.judgement.judge` turns them into
INCONCLUSIVE. Severity (how bad it is if true) and confidence (how sure the audit is that it is true) are separate
fields, as in zizmor. Sentences are made in `audit.render.sentences.findings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

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
    "controls-differ",
    "roles-exchanged",
    "required-attack-missing",
    "attack-failed",
    "no-attack-ran",
    "observed-not-attacked",
    "batch-unclear",
    "initial-not-attacked",
    "positive-control-missing",
    "positive-control-failed",
    "uninformative-silence",
    "misread",
    "reading-unchecked",
    "incomplete-audit",
]

RULES: dict[Kind, tuple[Severity, Confidence]] = {
    "confirmed-reconstruction": ("high", "high"),
    "recovered-not-confirmed": ("medium", "low"),
    "incomplete-audit": ("high", "high"),
    "no-attack-ran": ("high", "high"),
    "observed-not-attacked": ("high", "high"),
    "batch-unclear": ("high", "medium"),
    "initial-not-attacked": ("high", "high"),
    "required-attack-missing": ("high", "high"),
    "misread": ("high", "high"),
    "reading-unchecked": ("medium", "high"),
    "attack-failed": ("medium", "high"),
    "uncalibrated-audit": ("high", "high"),
    "too-few-controls": ("medium", "high"),
    "cannot-confirm": ("high", "high"),
    "unresolved-recoveries": ("high", "medium"),
    "null-attack-confirmed": ("high", "high"),
    "null-attack-missing": ("medium", "high"),
    "controls-differ": ("high", "medium"),
    "roles-exchanged": ("high", "medium"),
    "positive-control-failed": ("high", "high"),
    "positive-control-missing": ("medium", "high"),
    "uninformative-silence": ("medium", "high"),
}
"""Severity and usual confidence of every kind."""

Value = int | float | str | list[str] | None
"""A number or name that the sentence on a finding or a reason needs."""


class Suppression(BaseModel):
    """Why a finding is suppressed: reported, but not counted."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["waiver", "baseline"]
    """Whether somebody took responsibility for the finding, or an earlier run that was accepted has it too."""
    reason: str
    """Reason that the waiver gives, or which earlier run has the finding."""
    owner: str = ""
    """Who took responsibility; empty for a baseline."""
    expires: str | None = None
    """Last day on which a waiver holds, ISO 8601; None for a baseline."""


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
    values: dict[str, Value] = Field(default={})
    """Numbers and names that the finding rests on, by name; empty in reports of version 1."""
    samples: list[str] = Field(default=[])
    """Ids of the members concerned."""
    suppression: Suppression | None = None
    """Why the finding is not counted; None for one that is."""


def make_finding(
    kind: Kind,
    values: Mapping[str, Value] | None = None,
    about: str = "",
    samples: Sequence[str] = (),
    confidence: Confidence | None = None,
) -> Finding:
    """Make a finding of a kind, with what it is about as the second part of its id."""
    severity, usual = RULES[kind]
    return Finding(
        id=f"{kind}/{about}" if about else kind,
        kind=kind,
        severity=severity,
        confidence=confidence or usual,
        values=dict(values or {}),
        samples=list(samples),
    )


def confirmed_id(member: str) -> str:
    """Id of the finding that a member was reconstructed beyond chance."""
    return f"confirmed-reconstruction/{member}"


_F = TypeVar("_F", bound=Finding)


def with_suppressions(found: Sequence[_F], why: Mapping[str, Suppression]) -> list[_F]:
    """Mark the findings that are suppressed, by their ids. Ids that do not occur are passed over."""
    return [one.model_copy(update={"suppression": why.get(one.id)}) for one in found]
