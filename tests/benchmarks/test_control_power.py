"""The comparison of positive controls, on a network small enough for a test."""

from pathlib import Path

import pytest

from audit.solve import restarts
from tests.benchmarks.control_power import HEAD, MEMBERS, row, shapes


def test_a_row_has_what_its_head_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "_STEPS_OF_A_ROUND", 10)
    monkeypatch.setattr(restarts, "_BATCH", 1)
    cells = row("tiny", shapes([144, 20, 1], 1e-4, 3.0), tmp_path).split(" | ")
    assert len(cells) == HEAD.splitlines()[0].count("|") - 1
    assert cells[1].startswith("0.0001")
    assert 3.0 < float(cells[2]) < 10.0
    assert all(cell.removesuffix(" |").endswith(f" of {MEMBERS}") for cell in cells[3:])
