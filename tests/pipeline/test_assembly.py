"""Outcomes become a report: what is judged, shown and noted, with attacks whose results are planted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.attacks import BATTERY
from audit.battery import AttackResult, prepare
from audit.diagnostics.measure import Measurements
from audit.pipeline.assembly import assemble
from audit.pipeline.decision import compare
from audit.pipeline.run import observe_inputs
from audit.pipeline.session import Attacked
from audit.report.evidence import Audit
from audit.report.schema import Provenance
from audit.request.check import check
from audit.request.request import Request
from tests.pipeline.outcomes import noise, ran
from tests.tiny import MEMBERS, SIDE, Tiny, make

WAIVERS = """
- {id: "confirmed-reconstruction:members.npz/0", reason: public, owner: Ada, expires: 2999-01-01}
- {id: no-attack-ran, reason: not needed, owner: Ada, expires: 2999-01-01}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make(tmp_path / "tiny")


def provenance(**changes: Any) -> Provenance:
    given: dict[str, Any] = {
        "command": "model-audit scan",
        "seed": 0,
        "device": "cpu",
        "torch": "2",
        "python": "3",
        "platform": "Linux",
        "started": "2026-11-26T00:00:00+00:00",
        "seconds": 1.0,
        "budget_seconds": 2.0,
        "complete": True,
        "notes": ["assumed"],
    }
    return Provenance(**given | changes)


def assembled(tiny: Tiny, copies: list[int], **options: Any) -> Audit:
    """An audit whose attack returned these members, but for a little noise, and strangers besides."""
    inputs = check(
        Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean, **options)
    )
    found = inputs.truth.members[copies] + 0.01 * noise(len(copies), size=SIDE * SIDE)
    result: AttackResult = ran("kkt-margin", np.concatenate([found, noise(3, size=SIDE * SIDE)]))
    measured = Measurements(stationarity={"kkt-margin": 0.1})
    attacked = Attacked(prepare(observe_inputs(inputs), BATTERY), [result])
    compared = compare(inputs, attacked.outcomes, measured, complete=True)
    return assemble(inputs, attacked, compared, provenance(), measured)


def test_what_came_back_decides(tiny: Tiny) -> None:
    audit = assembled(tiny, [0, 2])
    report = audit.report
    assert report.verdict == "FAIL"
    assert [sample.confirmed for sample in report.samples] == [True, False, True, False]
    assert report.summary.confirmed == 2
    assert {finding.kind for finding in report.findings} == {"confirmed-reconstruction"}
    assert {0, 2} <= {item.sample for item in audit.evidence}
    assert audit.reconstructions["kkt-margin"].shape == (5, SIDE, SIDE, 1)


def test_noise_decides_nothing(tiny: Tiny) -> None:
    report = assembled(tiny, []).report
    assert (report.verdict, report.summary.confirmed, report.findings) == ("PASS", 0, [])
    assert len(report.samples) == MEMBERS
    assert report.diagnostics.contribution == []


def test_waivers_suppress_and_idle_ones_are_noted(tiny: Tiny, tmp_path: Path) -> None:
    plain = assembled(tiny, [0]).report
    (found,) = plain.findings
    path = tmp_path / "waivers.yaml"
    path.write_text(WAIVERS.replace("confirmed-reconstruction:members.npz/0", found.id))
    report = assembled(tiny, [0], waivers=path).report
    assert (plain.verdict, report.verdict) == ("FAIL", "PASS")
    (suppressed,) = report.findings
    assert suppressed.suppression is not None
    assert [note for note in report.provenance.notes if "no-attack-ran" in note]


def test_notes_of_the_audit_come_first(tiny: Tiny) -> None:
    assert assembled(tiny, [0]).report.provenance.notes[0] == "assumed"
