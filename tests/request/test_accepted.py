"""Findings that were accepted before."""

from pathlib import Path

import numpy as np
import pytest

from audit.errors import UsageError
from audit.request.accepted import read_accepted
from audit.request.request import VerdictOptions
from audit.verdict.policy import MatchRule, Policy
from tests.report.factory import make_report
from tests.request.test_baseline import images, write

POLICY = Policy(version=1, name="release", limits=[])
RULE = MatchRule()
SHA = "ab" * 32
WAIVER = "- {{id: {id}, reason: agreed, owner: Ada, expires: 2100-01-01}}\n"


def test_nothing_is_accepted_unless_it_is_asked_for() -> None:
    found, notes = read_accepted(VerdictOptions(), images(), SHA, POLICY, RULE)
    assert (found.waivers, found.suppressions, notes) == (None, {}, [])


def test_a_waiver_outranks_the_baseline(tmp_path: Path) -> None:
    run = write(tmp_path, make_report())
    members = images()
    asked = VerdictOptions(baseline=run)
    by_run, (note,) = read_accepted(asked, members, SHA, POLICY, RULE)
    assert note.startswith(f"baseline: {run}/report.json, of ")
    assert {one.kind for one in by_run.suppressions.values()} == {"baseline"}
    first = next(iter(by_run.suppressions))
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id=first))
    both, notes = read_accepted(VerdictOptions(waivers=file, baseline=run), members, SHA, POLICY, RULE)
    assert notes == [f"waivers: {file}, 1 in it", note]
    assert both.suppressions[first].kind == "waiver"
    assert both.suppressions.keys() == by_run.suppressions.keys()


def test_a_waiver_of_a_member_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id="confirmed-reconstruction/nobody"))
    with pytest.raises(UsageError, match="names no member of this audit"):
        read_accepted(VerdictOptions(waivers=file), images(), SHA, POLICY, RULE)


def test_a_waiver_of_a_copy_that_counts_once_stays_valid(tmp_path: Path) -> None:
    members = images()
    kept = members.keep(np.arange(len(members) - 1))
    file = tmp_path / "waivers.yaml"
    file.write_text(WAIVER.format(id=f"confirmed-reconstruction/{members.ids[-1]}"))
    found, _ = read_accepted(VerdictOptions(waivers=file), kept, SHA, POLICY, RULE)
    assert len(found.suppressions) == 1
