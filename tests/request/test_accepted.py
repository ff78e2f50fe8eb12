"""Findings that were accepted before."""

from pathlib import Path

import numpy as np
import pytest

from audit.errors import UsageError
from audit.report.schema import Report
from audit.request.accepted import read_accepted
from audit.request.request import VerdictOptions
from audit.verdict.policy import MatchRule, Policy
from tests.report.factory import make_report
from tests.request.test_baseline import images, write

POLICY = Policy(version=1, name="release", limits=[])
RULE = MatchRule()
SHA = "ab" * 32
WAIVER = "- {{id: {id}, reason: agreed, owner: Ada, expires: 2100-01-01}}\n"


def repeated(repeatable: bool) -> Report:
    report = make_report()
    provenance = report.provenance.model_copy(update={"repeatable": repeatable})
    return report.model_copy(update={"provenance": provenance})


def test_nothing_is_accepted_unless_it_is_asked_for() -> None:
    found, notes = read_accepted(VerdictOptions(), images(), SHA, POLICY, RULE, repeatable=True)
    assert (found.waivers, found.suppressions, notes) == (None, {}, [])


def test_a_waiver_outranks_the_baseline(tmp_path: Path) -> None:
    run = write(tmp_path, repeated(True))
    members = images()
    asked = VerdictOptions(baseline=run)
    by_run, (note,) = read_accepted(asked, members, SHA, POLICY, RULE, repeatable=True)
    assert note.startswith(f"baseline: {run}/report.json, of ")
    assert {one.kind for one in by_run.suppressions.values()} == {"baseline"}
    first = next(iter(by_run.suppressions))
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id=first))
    both, notes = read_accepted(
        VerdictOptions(waivers=file, baseline=run), members, SHA, POLICY, RULE, repeatable=True
    )
    assert notes == [f"waivers: {file}, 1 in it", note]
    assert both.suppressions[first].kind == "waiver"
    assert both.suppressions.keys() == by_run.suppressions.keys()


def test_a_waiver_of_a_member_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id="confirmed-reconstruction/nobody"))
    with pytest.raises(UsageError, match="names no member of this audit"):
        read_accepted(VerdictOptions(waivers=file), images(), SHA, POLICY, RULE, repeatable=True)


@pytest.mark.parametrize(
    ("now", "before", "named"),
    [(True, True, None), (False, True, "this run"), (True, False, "that run"), (False, False, "both")],
)
def test_what_cannot_be_repeated_is_told(tmp_path: Path, now: bool, before: bool, named: str | None) -> None:
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id="incomplete-audit"))
    asked = VerdictOptions(waivers=file, baseline=write(tmp_path, repeated(before)))
    _, notes = read_accepted(asked, images(), SHA, POLICY, RULE, repeatable=now)
    assert any(note.startswith("waivers: this run cannot be repeated exactly") for note in notes) != now
    told = [note for note in notes if note.startswith("baseline: ") and "repeated exactly" in note]
    assert [note.partition(" cannot")[0] for note in told] == ([f"baseline: {named}"] if named else [])


def test_an_empty_file_of_waivers_is_not_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "waivers.yaml"
    file.write_text("# none\n")
    _, notes = read_accepted(VerdictOptions(waivers=file), images(), SHA, POLICY, RULE, repeatable=False)
    assert notes == [f"waivers: {file}, 0 in it"]


def test_a_waiver_of_a_copy_that_counts_once_stays_valid(tmp_path: Path) -> None:
    members = images()
    kept = members.keep(np.arange(len(members) - 1))
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id=f"confirmed-reconstruction/{members.ids[-1]}"))
    found, _ = read_accepted(VerdictOptions(waivers=file), kept, SHA, POLICY, RULE, repeatable=True)
    assert len(found.suppressions) == 1
