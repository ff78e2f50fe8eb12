"""What the report says of the network as it was read."""

from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from audit.pipeline.reading import read_network
from audit.pipeline.run import observe_inputs
from audit.request.check import check
from audit.request.request import Request
from tests.diagnostics.memorised import images
from tests.tiny import CONTROLS, MEMBERS, make


def test_counts_and_tests_are_in_the_report(tmp_path: Path) -> None:
    tiny = make(tmp_path / "tiny")
    request = Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean)
    inputs = check(request)
    found = read_network(observe_inputs(inputs).network, inputs)
    assert found.assumed == list(inputs.assumed)
    assert (found.members.count, found.members.right, found.members.accuracy) == (MEMBERS, MEMBERS, 1.0)
    assert found.members.loss is not None
    assert found.members.loss < 1e-6
    assert (found.majority, found.p_chance) == (0.5, 0.5**MEMBERS)
    assert found.controls is not None
    assert (found.controls.count, found.controls.right, found.controls.loss) == (CONTROLS, None, None)
    assert found.p_fewer_right is None
    assert found.p_surer is not None


def test_the_change_that_mends_a_reading_is_named(tmp_path: Path) -> None:
    memorised, path = images(), tmp_path / "model.safetensors"
    network, truth = memorised.network, memorised.truth
    save_file({f"fc{layer}.weight": weight for layer, weight in enumerate(network.weights)}, path)
    values = truth.preprocessing.denormalise(truth.members).clip(0, 1)
    np.savez(tmp_path / "members.npz", images=values.swapaxes(1, 2), labels=truth.labels)
    request = Request.of(path, data=tmp_path / "members.npz", mean="0.2,0.35,0.5", std="0.1,0.2,0.3")
    inputs = check(request)
    found = read_network(observe_inputs(inputs).network, inputs)
    assert found.mended_by is not None
    assert (found.mended_by.what, found.mended_by.value) == ("orientation", "transposed")
    assert found.mended_by.right == found.mended_by.count == len(values)
    assert found.members.right is not None
    assert found.members.right < len(values) / 2
    assert [trial.mends for trial in found.tried] == sorted(
        (trial.mends for trial in found.tried), reverse=True
    )
    assert ("activation", "tanh") in {(trial.what, trial.value) for trial in found.tried}
