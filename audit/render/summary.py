"""`report.summary.md`: one screen for a comment on a pull request, or for the summary of a build."""

from __future__ import annotations

from collections.abc import Sequence

from audit.render.markdown import templates
from audit.render.sentences import counts
from audit.render.sentences.findings import suppression
from audit.render.sentences.glossary import glossary
from audit.render.sentences.grounds import heading, stated
from audit.render.sentences.reading import lines
from audit.report.evidence import Evidence, Trajectory
from audit.report.schema import Report

_LINES, _NAMES, _LENGTH = 6, 8, 300
"""Of lists, of names and of the characters of one line, so many are shown: a comment on GitHub holds 65,536."""
_TERMS = ("confirmed", "recovered", "control", "inconclusive")


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write what a reviewer needs first; images are never part of it, however many samples there are."""
    environment = templates()
    environment.filters["short"] = _short
    suppressed = [(one.id, suppression(why)) for one in report.findings if (why := one.suppression)]
    confirmed = [sample.id for sample in report.samples if sample.confirmed]
    others = [
        finding.detail for finding in report.findings if not finding.samples and not finding.suppression
    ]
    return environment.get_template("summary.md.j2").render(
        report=report,
        reasons=_first(report.reasons, _LINES),
        reading=lines(report),
        grounds=stated(report),
        grounds_heading=heading(report),
        others=_first([detail for detail in others if detail not in report.reasons], _LINES),
        limits=report.policy.limits[:_LINES],
        chance=counts.chance(report),
        interval=counts.interval(report),
        upper_limits=counts.limits(report),
        confirmed=confirmed[:_NAMES],
        more=max(0, len(confirmed) - _NAMES),
        suppressed=suppressed[:_NAMES],
        more_suppressed=max(0, len(suppressed) - _NAMES),
        ran=[attack.id for attack in report.attacks if attack.status == "ran"],
        absent=[attack.id for attack in report.attacks if attack.status != "ran"],
        glossary={term: glossary(report)[term] for term in _TERMS},
    )


def _first(lines: Sequence[str], count: int) -> list[str]:
    rest = len(lines) - count
    return [*lines[:count], *([f"And {rest} more."] if rest > 0 else [])]


def _short(line: str) -> str:
    return line if len(line) <= _LENGTH else f"{line[:_LENGTH]} ..."
