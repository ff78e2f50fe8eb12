"""What the report says of the network as it was read."""

from pathlib import Path

from audit.diagnostics.reading import read
from audit.pipeline.reading import reading_entry
from audit.pipeline.run import observe_inputs
from audit.report.reading import Assumption
from audit.request.check import check
from audit.request.request import Request
from tests.tiny import CONTROLS, MEMBERS, make


def test_counts_and_tests_are_in_the_report(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    request = Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean)
    inputs = check(request)
    assumed = [Assumption(what="activation", value="relu", stated=True)]
    found = reading_entry(read(observe_inputs(inputs).network, inputs.truth), assumed)
    assert found.assumed == assumed
    assert (found.members.count, found.members.right, found.members.accuracy) == (MEMBERS, MEMBERS, 1.0)
    assert found.members.loss is not None
    assert found.members.loss < 1e-6
    assert (found.majority, found.p_chance) == (0.5, 0.5**MEMBERS)
    assert found.controls is not None
    assert (found.controls.count, found.controls.right, found.controls.loss) == (CONTROLS, None, None)
    assert found.p_fewer_right is None
    assert found.p_surer is not None
