"""Findings that were accepted before: by a waiver, or because an earlier run confirmed the same members."""

from __future__ import annotations

from dataclasses import dataclass

from audit.attacks import BATTERY
from audit.dataset.samples import Samples
from audit.request.baseline import load_baseline
from audit.request.request import VerdictOptions
from audit.verdict.finding import Suppression
from audit.verdict.policy import MatchRule, Policy
from audit.verdict.waivers import Waivers, load_waivers


@dataclass(frozen=True, eq=False)
class Accepted:
    """Findings that were accepted before."""

    waivers: Waivers | None
    """By somebody who takes responsibility; whether they have expired is for whoever knows the day."""
    suppressions: dict[str, Suppression]
    """By id, what is suppressed if it occurs. A waiver outranks the baseline, for it has an owner."""


def read_accepted(
    asked: VerdictOptions,
    members: Samples,
    checkpoint: str,
    policy: Policy,
    rule: MatchRule,
    *,
    repeatable: bool,
) -> tuple[Accepted, list[str]]:
    """Read waivers and baseline.

    Parameters
    ----------
    asked:
        Names both.
    members:
        Of this audit, as waivers name them and as the baseline must have had them.
    checkpoint:
        Its sha256.
    policy, rule:
        Of this audit, to be compared with those of the baseline.
    repeatable:
        Whether this audit gives the same result again.

    Returns
    -------
    tuple[Accepted, list[str]]
        With what a reader should know of both.

    Raises
    ------
    AuditError
        When a file cannot be used, or the baseline is of other members.
    """
    waivers, suppressions, notes = None, {}, []
    if asked.waivers is not None:
        waivers = load_waivers(
            asked.waivers, (*members.ids, *members.left_out), [attack.id for attack in BATTERY]
        )
        notes.append(f"waivers: {waivers.path}, {len(waivers.entries)} in it")
        suppressions = waivers.suppressions
        if waivers.entries and not repeatable:
            notes.append(
                "waivers: this run cannot be repeated exactly, and the next may confirm members that no waiver "
                "names; pass --rounds N in place of --budget"
            )
    if asked.baseline is not None:
        baseline = load_baseline(asked.baseline, members)
        notes += baseline.notes(checkpoint, policy.name, rule)
        if not (repeatable and baseline.report.provenance.repeatable):
            which = (
                "this run" if baseline.report.provenance.repeatable else "that run" if repeatable else "both"
            )
            notes.append(
                f"baseline: {which} cannot be repeated exactly, and may confirm other members each time; pass "
                "--rounds N in place of --budget to both"
            )
        suppressions = baseline.suppressions(members) | suppressions
    return Accepted(waivers, suppressions), notes
