"""Honest audits of networks that leak nothing pass, and say on what the PASS rests."""

from typing import Any

import pytest

from tests.command import Run
from tests.silence.case import report, scan
from tests.silence.innocents import INNOCENTS, Innocent


def parameters() -> list[Any]:
    return [pytest.param(one, id=one.name, marks=() if one.quick else pytest.mark.slow) for one in INNOCENTS]


@pytest.mark.parametrize("innocent", parameters())
def test_an_innocent_passes(innocent: Innocent, model_audit: Run, enough_steps: None) -> None:
    ended = scan(model_audit, innocent.asked())
    content = report()
    assert (ended.code, content["verdict"]) == (0, "PASS")
    assert ended.out.startswith("PASS: 0 of ")
    assert content["summary"]["confirmed"] == 0
    assert not [one["ground"] for one in content["verdict_grounds"] if one["holds"] is not True]
    (informative,) = [one["sentence"] for one in content["verdict_grounds"] if one["ground"] == "informative"]
    assert innocent.needs in informative


def test_there_are_ten_and_each_has_a_name_of_its_own() -> None:
    names = [one.name for one in INNOCENTS]
    assert len(set(names)) == len(names) >= 10
