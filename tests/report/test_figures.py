from typing import Any

import pytest

from audit.report.figures import figures
from audit.report.schema import Report
from tests.report.factory import as_table, make_report


def found(before: Report, after: Report) -> dict[tuple[str, str | None], tuple[float | None, float | None]]:
    return {(one.id, one.attack): (one.before, one.after) for one in figures(before, after)}


def with_fit(report: Report, **changes: Any) -> Report:
    (fit,) = report.diagnostics.contribution
    diagnostics = report.diagnostics.model_copy(update={"contribution": [fit.model_copy(update=changes)]})
    return report.model_copy(update={"diagnostics": diagnostics})


def test_the_figures() -> None:
    after = with_fit(make_report(confirmed=1), auc=0.5, residual=0.9)
    values = found(make_report(confirmed=3), after)
    assert values["confirmed", None] == (3, 1)
    assert values["confirmed-fraction", None] == (0.5, pytest.approx(1 / 6))
    assert values["recovered", None] == (4, 2)
    assert values["reachable", None] == (4, 4)
    assert values["auc", "kkt-margin"] == (0.975, 0.5)
    assert values["loss-at-true-samples", "kkt-margin"] == (0.00284, 0.9)
    assert values["mean-contribution", None] == (pytest.approx(0.325), pytest.approx(0.325))
    assert values["mean-attainable", None][0] == pytest.approx(0.575)
    assert values["power", None] == (None, None)


def test_without_controls_nothing_is_confirmed() -> None:
    assert found(make_report(), make_report(controls=0))["confirmed", None] == (3, None)


def test_contributions_of_different_equations_are_not_compared() -> None:
    values = found(make_report(), with_fit(make_report(), attack="kkt-loss"))
    assert not {name for name, _ in values} & {"mean-contribution", "auc", "loss-at-true-samples"}


def test_means_of_different_similarities_are_not_compared() -> None:
    assert ("mean-similarity", None) not in found(make_report(), as_table(make_report()))
    rows = found(as_table(make_report()), as_table(make_report()))
    assert ("mean-similarity", None) in rows
    assert ("mean-attainable", None) not in rows
