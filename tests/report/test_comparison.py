import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from audit.budget import Budget
from audit.render.comparison_views import VIEWS
from audit.report.comparison import Change, compare
from audit.report.schema import Report
from audit.request.request import Request
from audit.run import demo
from audit.run.pipeline import run
from tests.report.factory import as_table, make_observed, make_report


def changed(report: Report, part: str, **changes: Any) -> Report:
    return report.model_copy(update={part: getattr(report, part).model_copy(update=changes)})


def figures(before: Report, after: Report) -> dict[str, tuple[float | None, float | None]]:
    return {figure.name: (figure.before, figure.after) for figure in compare(before, after).figures}


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
    assert "mean correlation of best matches" in [figure.name for figure in found.figures]
    for view in VIEWS.values():
        assert "SSIM" not in view(found)


def test_a_report_compared_with_itself_has_no_change() -> None:
    report = make_report()
    found = compare(report, report)
    assert found.confirmed == Change(gained=[], lost=[], kept=3)
    assert all(figure.before == figure.after for figure in found.figures)
    assert all(change.before == change.after for change in found.attacks)
    assert found.notes == [
        "Both runs audited the same checkpoint: what differs is due to settings and chance."
    ]


def test_the_figures() -> None:
    before, after = make_report(confirmed=3), make_report(confirmed=1)
    (fit,) = after.diagnostics.contribution
    less = fit.model_copy(update={"auc": 0.5, "residual": 0.9})
    after = changed(after, "diagnostics", contribution=[less])
    found = figures(before, after)
    assert found["members confirmed"] == (3, 1)
    assert found["confirmed fraction"] == (0.5, pytest.approx(1 / 6))
    assert found["members recovered"] == (4, 2)
    assert found["members that could be recovered"] == (4, 4)
    assert found["AUC, kkt-margin"] == (0.975, 0.5)
    assert found["left open by the members, kkt-margin"] == (0.00284, 0.9)
    assert found["mean contribution"] == (pytest.approx(0.325), pytest.approx(0.325))
    assert found["mean attainable SSIM"][0] == pytest.approx(0.575)
    assert found["power of the positive control"] == (None, None)


def test_attacks_are_compared_one_by_one() -> None:
    found = compare(make_report(), make_observed("gradient"))
    ids = {change.id: change for change in found.attacks}
    assert list(ids) == ["kkt-margin", "weight-delta", "gradient"]
    assert ids["gradient"].before is None
    assert ids["gradient"].after is not None
    assert ids["kkt-margin"].before is not None
    assert ids["kkt-margin"].before.relative_loss == 0.00312
    assert any(
        "attacks that ran differ. Before: kkt-margin. After: kkt-margin, gradient" in n for n in found.notes
    )
    assert any("one gradient" in note for note in found.notes)


def test_other_members_are_not_paired() -> None:
    before, after = make_report(), make_report(confirmed=1)
    others = after.data.members.model_copy(update={"sha256": "00" * 32, "source": "others.npz"})
    after = changed(after, "data", members=others)
    found = compare(before, after.model_copy(update={"samples": after.samples[:4]}))
    assert (found.confirmed, found.recovered, found.members) == (None, None, [])
    assert found.notes[0].startswith("The members are not the same (members.npz, others.npz)")
    assert {figure.name: figure.after for figure in found.figures}["members confirmed"] == 1


def test_without_controls_nothing_is_said_of_confirmed() -> None:
    found = compare(make_report(), make_report(controls=0))
    assert found.confirmed is None
    assert found.recovered is not None
    assert figures(make_report(), make_report(controls=0))["members confirmed"] == (3, None)
    assert "The run after had no controls: nothing could be confirmed in it." in found.notes


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (
            changed(make_report(), "summary", threshold=0.3),
            ["The thresholds differ. Before: SSIM >= 0.4. After: SSIM >= 0.3."],
        ),
        (
            make_report(policy="strict"),
            [
                "policies differ. Before: release, confirmed at most 0. After: strict, confirmed at most 0, rec"
            ],
        ),
        (
            changed(make_report(), "provenance", budget_seconds=7.5),
            ["budgets differ. Before: 60 s. After: 7.5 s"],
        ),
        (changed(make_report(), "provenance", seed=1), ["seeds differ. Before: 0. After: 1."]),
        (
            changed(make_report(), "tool", version="9"),
            ["versions of the tool differ. Before: 0.1.0. After: 9."],
        ),
        (
            changed(make_report(), "model", activation="tanh"),
            ["Before: 625-1000-1 relu. After: 625-1000-1 tanh."],
        ),
        (make_report(complete=False), ["The run after broke off"]),
        (make_report(controls=50), ["numbers of controls differ. Before: 60. After: 50."]),
    ],
)
def test_what_else_differs_is_a_note(after: Report, words: list[str]) -> None:
    notes = compare(make_report(), after).notes
    for word in words:
        assert any(word in note for note in notes), notes


def test_other_controls_are_a_note() -> None:
    report = make_report()
    assert report.data.controls is not None
    others = report.data.controls.model_copy(update={"sha256": "00" * 32})
    notes = compare(report, changed(report, "data", controls=others)).notes
    assert "The controls are not the same, which moves p-values and so what is confirmed." in notes


def test_contributions_of_different_equations_are_not_compared() -> None:
    report = make_report()
    (fit,) = report.diagnostics.contribution
    other = fit.model_copy(update={"attack": "kkt-loss"})
    after = changed(report, "diagnostics", contribution=[other])
    assert "mean contribution" not in figures(report, after)
    assert {member.before.contribution for member in compare(report, after).members} == {None}
    assert "AUC, kkt-margin" not in figures(report, after)
    assert any(
        "of different equations (kkt-margin before, kkt-loss" in n for n in compare(report, after).notes
    )


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
    assert all("different equations" in note for note in found.notes)


def test_rows_of_a_table_are_compared_by_correlation() -> None:
    before, after = as_table(make_report(confirmed=3)), as_table(make_report(confirmed=1))
    found = compare(before, after)
    first = found.members[1]
    assert first.before.similarity == before.samples[1].ncc
    assert "mean correlation of best matches" in figures(before, after)
    assert not [note for note in found.notes if "SSIM" in note or "image" in note]


def test_means_of_different_similarities_are_not_compared() -> None:
    found = figures(make_report(), as_table(make_report()))
    assert not [name for name in found if name.startswith("mean") and name.endswith("matches")]
