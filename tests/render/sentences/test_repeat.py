"""How much work an audit was given, and whether it can be repeated."""

from typing import Any

import pytest

from audit.render.formats import FORMATS
from audit.render.sentences.repeat import repeatable, work
from audit.report.schema import Report
from tests.report.factory import make_report


def given(**changes: Any) -> Report:
    report = make_report()
    return report.model_copy(update={"provenance": report.provenance.model_copy(update=changes)})


COUNTED = {"budget_seconds": None, "rounds": 3}


@pytest.mark.parametrize(
    ("changes", "amount", "sentence"),
    [
        ({}, "1 min", "Not exactly: the time ended the attacks"),
        (COUNTED | {"repeatable": True}, "3 rounds of restarts for every attack", "Yes: the same command"),
        (COUNTED | {"rounds": 1}, "1 round of restarts for every attack", "Not exactly: sums on a GPU"),
        (COUNTED | {"complete": False}, "3 rounds of restarts for every attack", "No: the audit was interr"),
    ],
)
def test_the_work_and_whether_it_repeats(changes: dict[str, Any], amount: str, sentence: str) -> None:
    report = given(**changes)
    assert work(report.provenance) == amount
    assert repeatable(report.provenance).startswith(sentence)
    for name in ("html", "markdown"):
        page = FORMATS[name].render(report, (), ())
        assert amount in page
        assert sentence in page
    assert amount in FORMATS["summary"].render(report, (), ())
