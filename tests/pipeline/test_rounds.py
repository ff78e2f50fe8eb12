"""Where rounds are counted, an audit gives the same result however slow its clock says that the machine is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from audit.pipeline.run import run
from audit.report.evidence import Audit
from audit.request.request import Request
from audit.solve import moments, restarts
from tests.planted import Clock
from tests.tiny import Tiny, make, untrained, untrained_tiny, write_gradient

OF_THE_CLOCK = {"seconds", "training_seconds", "started"}
STEPS = 40


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.setattr(restarts, "_STEPS_OF_A_ROUND", STEPS)
    monkeypatch.setattr(restarts, "_BATCH", 2)
    monkeypatch.setattr(moments, "_STEPS", STEPS)
    return make(tmp_path / "tiny")


def measured(value: Any) -> Any:
    """A report without what says how long it took."""
    if isinstance(value, dict):
        return {key: measured(part) for key, part in value.items() if key not in OF_THE_CLOCK}
    return [measured(part) for part in value] if isinstance(value, list) else value


def swift_and_slow(tiny: Tiny, **options: Any) -> Audit:
    """The same audit with a clock that stands still, and one that says hours whenever it is looked at."""
    asked = Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean, **options)
    swift, slow = (run(asked, clock=Clock(tick=tick)) for tick in (0.0, 1e4))
    assert swift.report.provenance.seconds == 0.0 < slow.report.provenance.seconds
    assert measured(swift.report.model_dump()) == measured(slow.report.model_dump())
    assert swift.reconstructions.keys() == slow.reconstructions.keys()
    for name, values in swift.reconstructions.items():
        np.testing.assert_array_equal(values, slow.reconstructions[name])
    return slow


def test_weights_and_a_positive_control(tiny: Tiny) -> None:
    report = swift_and_slow(tiny, rounds=2, positive_control=True).report
    provenance = report.provenance
    assert (provenance.rounds, provenance.budget_seconds, provenance.repeatable) == (2, None, True)
    assert (
        sum(attack.steps or 0 for attack in report.attacks) == 2 * 2 * 2 * STEPS
    )  # attacks, rounds, restarts
    assert report.diagnostics.attainable is not None
    assert report.diagnostics.attainable.complete
    assert [found.converged for found in report.diagnostics.contribution] == [True, True]
    assert report.diagnostics.positive_control is not None


def test_a_change_of_weights(tiny: Tiny) -> None:
    start = tiny.checkpoint.with_name("before.safetensors")
    save_file(untrained(), start)
    report = swift_and_slow(tiny, rounds=1, initial=start).report
    assert [attack.steps for attack in report.attacks[:3]] == [2 * STEPS] * 3


def test_a_gradient(tiny: Tiny) -> None:
    seen = write_gradient(untrained_tiny(tiny))
    names = ("gradient", "gradient-exact", "moment-tensor")  # exact ones end by themselves
    report = swift_and_slow(tiny, rounds=1, gradient=seen, attacks=names).report
    assert [attack.status for attack in report.attacks if attack.id in names] == ["ran", "ran", "ran"]


def test_a_time_in_place_of_rounds_cannot_be_repeated(tiny: Tiny) -> None:
    asked = Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, budget=0.5)
    provenance = run(asked, clock=Clock(tick=0.01)).report.provenance
    assert (provenance.rounds, provenance.budget_seconds, provenance.repeatable) == (None, 0.5, False)
