"""An earlier run as a baseline: what is taken over, and which runs are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from audit.dataset.samples import Samples
from audit.errors import UsageError
from audit.render.json import render
from audit.report.schema import Report
from audit.request.baseline import load_baseline
from audit.verdict.policy import MatchRule, load_policy
from tests.report.factory import BATTERY, make_report
from tests.report.golden import GOLDEN


def images(sha256: str = "cd" * 32, count: int = 6) -> Samples:
    ids = tuple(f"other/{i}" for i in range(count))
    return Samples(np.zeros((count, 2, 2, 1), np.float32), None, ids, "members.npz", sha256)


def write(folder: Path, report: Report) -> Path:
    (folder / "report.json").write_text(render(report))
    return folder


def test_members_are_known_by_their_place(tmp_path: Path) -> None:
    found = load_baseline(write(tmp_path, make_report(confirmed=2)), images()).suppressions(images())
    assert list(found) == ["confirmed-reconstruction/other/0", "confirmed-reconstruction/other/1"]
    assert {(why.kind, why.reason) for why in found.values()} == {
        ("baseline", f"confirmed in {tmp_path}/report.json of 2026-01-02 too")
    }


def test_the_report_itself_may_be_named(tmp_path: Path) -> None:
    folder = write(tmp_path, make_report())
    assert load_baseline(folder / "report.json", images()) == load_baseline(folder, images())


def test_a_report_of_version_1_still_serves(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes((GOLDEN / "report-v1.json").read_bytes())
    found = load_baseline(tmp_path, images())
    assert found.rows == [row for row, sample in enumerate(found.report.samples) if sample.confirmed] != []
    assert len(found.suppressions(images())) == found.report.summary.confirmed


def test_what_differs_is_told(tmp_path: Path) -> None:
    found = load_baseline(write(tmp_path, make_report()), images())
    release, strict = (load_policy(name, BATTERY) for name in ("release", "strict"))
    (same,) = found.notes("ab" * 32, release.name, release.match)
    assert same == f"baseline: {tmp_path}/report.json, of the same checkpoint, 3 members confirmed"
    first, policy, threshold = found.notes("00" * 32, strict.name, MatchRule(threshold=0.5))
    assert "of another checkpoint, badge_access.safetensors" in first
    assert policy == "baseline: its policy was release, that of this audit is strict"
    assert threshold == "baseline: its threshold was 0.4, that of this audit is 0.5"


@pytest.mark.parametrize("members", [images("00" * 32), images(count=5)])
def test_other_members_are_refused(tmp_path: Path, members: Samples) -> None:
    with pytest.raises(UsageError, match=r"is of 6 members from members.npz \(sha256 cdcdcdcdcdcd\), this"):
        load_baseline(write(tmp_path, make_report()), members)


def test_a_count_that_cannot_be_believed_is_refused(tmp_path: Path) -> None:
    report = make_report()
    report = report.model_copy(update={"summary": report.summary.model_copy(update={"null_confirmed": 1})})
    with pytest.raises(UsageError, match="its negative control confirmed members"):
        load_baseline(write(tmp_path, report), images())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "report.json is damaged: not JSON"),
        (b"{}", "report.json is no report of model-audit"),
        (b'{"schema_version": 3}', "report.json is a report of schema version 3, expected version 1 or 2"),
        (b"\xff\xfe", "report.json is damaged: not JSON"),
        (json.dumps({"results": []}).encode(), "report.json is no report of model-audit"),
    ],
)
def test_what_is_no_report_gets_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        load_baseline(tmp_path, images())
    assert "\n" not in str(caught.value)


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--baseline: .* has no report.json"):
        load_baseline(tmp_path, images())
