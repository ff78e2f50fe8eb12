"""A baseline: an earlier run whose confirmed reconstructions were accepted, so that only new ones count.

The earlier run must have had the same members, for a member is known by its place among them. The checkpoint may be
another, as after training again. Validity issues are never taken over: they are about one audit, not the model.

Attacks are random and end with the budget, so another seed alone may confirm members that the earlier run did not
(the demo with seeds 0 and 1, 30 s each: 33 confirmed both times, one of them new). Keep seed and budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.dataset.samples import Samples
from audit.errors import RunError, UsageError
from audit.report.files import report_file
from audit.report.schema import Report
from audit.request.earlier_run import read_report
from audit.verdict.finding import Suppression, confirmed_id
from audit.verdict.policy import MatchRule
from audit.words import plural


@dataclass(frozen=True)
class Baseline:
    """What an earlier run confirmed."""

    path: Path
    """Of its report."""
    report: Report
    """All it said."""

    @property
    def rows(self) -> list[int]:
        """Places of the members it confirmed."""
        return [row for row, sample in enumerate(self.report.samples) if sample.confirmed]

    def suppressions(self, members: Samples) -> dict[str, Suppression]:
        """What findings of a later run on the same members get, by their ids."""
        day = self.report.provenance.started.partition("T")[0]
        why = Suppression(kind="baseline", reason=f"confirmed in {self.path} of {day} too")
        return {confirmed_id(members.ids[row]): why for row in self.rows}

    def notes(self, checkpoint: str, policy: str, rule: MatchRule) -> list[str]:
        """What a reader should know of it, given the checkpoint's sha256, policy's name and rule of this audit."""
        model, summary = self.report.model, self.report.summary
        same = (
            "the same checkpoint" if model.sha256 == checkpoint else f"another checkpoint, {model.checkpoint}"
        )
        notes = [f"baseline: {self.path}, of {same}, {plural(len(self.rows), 'member')} confirmed"]
        for what, before, now in (
            ("policy", self.report.policy.name, policy),
            ("threshold", f"{summary.threshold:g}", f"{rule.threshold:g}"),
            ("false discovery rate", f"{summary.fdr:g}", f"{rule.fdr:g}"),
        ):
            if before != now:
                notes.append(f"baseline: its {what} was {before}, that of this audit is {now}")
        return notes


def load_baseline(path: Path, members: Samples) -> Baseline:
    """Read the report of an earlier run.

    Parameters
    ----------
    path:
        A run folder with a `report.json`, or such a file.
    members:
        Of this audit.

    Raises
    ------
    UsageError
        If it cannot be read, is no report of this version, is of other members, or was discredited by its own
        negative control.
    """
    try:
        file, report = report_file(path), read_report(path)
    except RunError as error:
        raise UsageError(f"--baseline: {error.problem}", error.remedy) from error
    theirs = report.data.members
    if theirs.sha256 != members.sha256 or len(report.samples) != len(members):
        raise UsageError(
            f"--baseline {file} is of {theirs.count} members from {theirs.source} (sha256 {theirs.sha256[:12]}), "
            f"this audit of {len(members)} from {members.source} (sha256 {members.sha256[:12]})",
            "give a run on the same members in the same order",
        )
    if report.summary.null_confirmed:
        raise UsageError(
            f"--baseline {file}: its negative control confirmed members, so its count is not valid",
            "give another run",
        )
    return Baseline(file, report)
