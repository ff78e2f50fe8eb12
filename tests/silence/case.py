"""One case: an audit that is wrong or poor in one way, beside its right reading."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.command import Ended, Run
from tests.silence.asked import Asked

Ends = Literal["INCONCLUSIVE", "FAIL", "refused"]
CODES: dict[Ends, int] = {"FAIL": 1, "refused": 2, "INCONCLUSIVE": 3}


@dataclass(frozen=True)
class Case:
    """A row of a table of cases."""

    name: str
    """What is wrong; rows of TRIED's section (a) begin with their number."""
    right: Callable[[], Asked]
    """The right reading, which FAILs; its docstring says how it is built."""
    wrong: Callable[[Asked], Asked]
    """The same with one thing wrong or poor."""
    because: str
    """Kind of the finding whose sentence comes first in the verdict; where the audit is refused, words of the
    message; where it FAILs all the same, kind of a finding that is reported, or nothing."""
    ends: Ends = "INCONCLUSIVE"
    """How the audit ends: never with PASS."""
    right_fails: bool = True
    """Whether the right reading FAILs; no reading of an ordinary classifier does."""
    quick: bool = False
    """Whether it belongs to those that run by default."""


def parameters(cases: Iterable[Case], awaited: Mapping[str, str]) -> list[Any]:
    """Of `pytest.mark.parametrize`: most cases are slow, and those that are awaited may fail."""
    found = []
    for case in cases:
        marks = [] if case.quick else [pytest.mark.slow]
        if case.name in awaited:
            marks.append(pytest.mark.xfail(reason=awaited[case.name], strict=True))
        found.append(pytest.param(case, id=case.name, marks=marks))
    return found


def right_readings(cases: Iterable[Case]) -> list[Case]:
    """One case of each right reading that FAILs, a quick one if there is any."""
    found: dict[Callable[[], Asked], Case] = {}
    for case in sorted(cases, key=lambda case: not case.quick):
        if case.right_fails:
            found.setdefault(case.right, case)
    return list(found.values())


def scan(model_audit: Run, asked: Asked, *more: object) -> Ended:
    """Run the command on it, in files of their own."""
    return model_audit(
        "scan", *asked.write(Path("files")), "--out", "out", "--format", "json", "--no-progress", *more
    )


def report() -> Any:
    """What the command left."""
    return json.loads(Path("out/report.json").read_text())


def first_kind(content: Any) -> str | None:
    """Kind of the finding that the first sentence of the verdict states; None where it states none."""
    (kind,) = {one["kind"] for one in content["findings"] if one["detail"] == content["reasons"][0]} or {None}
    return kind
