import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from audit.budget import Budget
from audit.pipeline import demo
from audit.pipeline.run import run
from audit.render.comparison_views import VIEWS
from audit.report.comparison import Change, compare
from audit.report.schema import Report
from audit.request.request import Request
from tests.report.factory import as_table, make_observed, make_report


def changed(report: Report, part: str, **changes: Any) -> Report:
    return report.model_copy(update={part: getattr(report, part).model_copy(update=changes)})


def kinds(before: Report, after: Report) -> list[str]:
    return [one.kind for one in compare(before, after).differences]


def test_members_are_paired_and_named() -> None:
    found = compare(make_report(confirmed=3), make_report(confirmed=1))
    assert found.confirmed == Change(gained=[], lost=["face-1", "face-2"], kept=1)
    assert found.recovered == Change(gained=[], lost=["face-2", "face-3"], kept=2)
    back = compare(make_report(confirmed=1), make_report(confirmed=3))
    assert back.confirmed == Change(gained=["face-1", "face-2"], lost=[], kept=1)
    first = found.members[1]
    assert (first.id, first.before.confirmed, first.after.confirmed) == ("face-1", True, False)
    assert (first.before.similarity, first.after.similarity) == (pytest.approx(0.91), pytest.approx(0.44))
    assert (found.before.verdict, found.after.verdict) == ("FAIL", "FAIL")


def test_reports_on_rows_are_compared_by_correlation() -> None:
    found = compare(as_table(make_report(confirmed=3)), as_table(make_report(confirmed=1)))
    assert found.confirmed == Change(gained=[], lost=["face-1", "face-2"], kept=1)
    assert found.members[0].before.similarity == 0.95
    assert "mean-similarity" in [figure.id for figure in found.figures]
    for view in VIEWS.values():
        assert "SSIM" not in view(found)


def test_a_report_compared_with_itself_has_no_change() -> None:
    report = make_report()
    found = compare(report, report)
    assert found.confirmed == Change(gained=[], lost=[], kept=3)
    assert all(figure.before == figure.after for figure in found.figures)
    assert all(change.before == change.after for change in found.attacks)
    assert kinds(report, report) == ["same-checkpoint"]


def test_attacks_are_compared_one_by_one() -> None:
    found = compare(make_report(), make_observed("gradient"))
    ids = {change.id: change for change in found.attacks}
    assert list(ids) == ["kkt-margin", "weight-delta", "gradient"]
    assert ids["gradient"].before is None
    assert ids["gradient"].after is not None
    assert ids["kkt-margin"].before is not None
    assert ids["kkt-margin"].before.relative_loss == 0.00312


def test_other_members_are_not_paired() -> None:
    before, after = make_report(), make_report(confirmed=1)
    others = after.data.members.model_copy(update={"sha256": "00" * 32, "source": "others.npz"})
    after = changed(after, "data", members=others)
    found = compare(before, after.model_copy(update={"samples": after.samples[:4]}))
    assert (found.confirmed, found.recovered, found.members) == (None, None, [])
    first = found.differences[0]
    assert (first.kind, first.before, first.after) == ("other-members", "members.npz", "others.npz")
    assert {figure.id: figure.after for figure in found.figures}["confirmed"] == 1


def test_without_controls_nothing_is_said_of_confirmed() -> None:
    found = compare(make_report(), make_report(controls=0))
    assert found.confirmed is None
    assert found.recovered is not None
    assert "after-uncalibrated" in kinds(make_report(), make_report(controls=0))


@pytest.mark.slow
def test_training_less_leaks_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descend, reports = demo.descend, []
    for steps in (math.inf, 30):
        counted = Budget(steps, itertools.count().__next__)  # its clock is asked once a step
        monkeypatch.setattr(demo, "descend", lambda *given, b=counted: descend(*given[:-1], b))
        files = demo.prepare(tmp_path / str(steps))
        request = Request.of(
            files.checkpoint,
            data=files.members,
            controls=files.controls,
            mean=files.mean,
            budget=40.0,
        )
        reports.append(run(request).report)
    found = compare(*reports)
    assert found.confirmed is not None
    assert found.confirmed.kept + len(found.confirmed.lost) >= 25
    assert len(found.confirmed.lost) > 15 + len(found.confirmed.gained)
    assert {one.kind for one in found.differences} <= {"other-equation"}
