"""Members and controls, read and brought to normalised inputs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audit.errors import AuditError, UsageError
from audit.model.architecture import Architecture
from audit.model.checkpoint import load_checkpoint
from audit.model.modality import IMAGES, ROWS, Layout
from audit.request.data import read_data
from audit.request.request import SampleOptions
from audit.request.weights import infer_architecture
from tests.tiny import Tiny


@pytest.fixture
def network(tiny: Tiny) -> Architecture:
    return infer_architecture(load_checkpoint(tiny.checkpoint), None)


def asked(tiny: Tiny, **changes: str | None) -> SampleOptions:
    options = {"data": str(tiny.members), "controls": str(tiny.controls), "mean": str(tiny.mean)}
    return SampleOptions(**options | changes)


def test_samples_are_kept_as_they_are_and_normalised(tiny: Tiny, network: Architecture) -> None:
    data, truth, notes = read_data(asked(tiny), network)
    assert [samples.source for samples in data.all] == [str(tiny.members), str(tiny.controls)]
    assert notes == []
    assert truth.preprocessing.modality is IMAGES
    np.testing.assert_allclose(truth.preprocessing.denormalise(truth.members), data.members.values, atol=1e-6)
    alone, truth, _ = read_data(asked(tiny, controls=None), network)
    assert (alone.controls, len(truth.controls)) == (None, 0)


def test_what_was_assumed_is_noted(tiny: Tiny, network: Architecture) -> None:
    _, _, (note,) = read_data(asked(tiny, mean=None), network)
    assert note.startswith("normalisation not stated: ")
    images = np.load(tiny.members)["images"]
    np.savez(tiny.members, images=np.concatenate([images, images[:1]]))
    _, _, (note,) = read_data(asked(tiny), network)
    assert note.startswith("exact copies among the members: 1; ")


def test_members_and_controls_are_distinct(tiny: Tiny, network: Architecture) -> None:
    members, controls = np.load(tiny.members)["images"], np.load(tiny.controls)["images"]
    nearly = np.clip(members[:2].astype(int) + 1, 0, 255).astype(np.uint8)
    np.savez(tiny.controls, images=np.concatenate([nearly, controls, controls[:1]]))
    data, truth, notes = read_data(asked(tiny), network)
    assert data.controls is not None
    assert data.controls.left_out == (str(len(controls) + 2), "0", "1")
    assert len(data.controls) == len(truth.controls) == len(controls)
    assert [note.partition(":")[0] for note in notes] == [
        "exact copies among the controls",
        "left out of the controls, being near copies of members (SSIM of at least 0.9)",
    ]
    with pytest.raises(AuditError, match="--data and --controls are both"):
        read_data(asked(tiny, controls=str(tiny.members)), network)


def test_rows_of_a_table_have_their_own_notes(tiny: Tiny, network: Architecture, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(60, network.inputs))
    rows[:, 3] = 1.0
    np.savez(tiny.members, features=rows[:20])
    np.savez(tiny.controls, features=rows[20:])
    with pytest.raises(AuditError, match="is a table, and its normalisation is not stated"):
        read_data(asked(tiny, mean=None), network)
    _, truth, notes = read_data(asked(tiny, mean="0", std="1"), network)
    assert truth.preprocessing.modality is ROWS
    assert truth.preprocessing.low is not None
    known, constant = notes
    assert known.endswith("two standard deviations about the mean, by the controls")
    assert constant.endswith("left out of the comparison: column 3")


def test_the_layout_is_the_users_or_the_checkpoints(tiny: Tiny, network: Architecture) -> None:
    def layout(stated: str | None, in_checkpoint: Layout | None) -> str:
        found = replace(network, layout=in_checkpoint)
        return read_data(asked(tiny, layout=stated), found)[1].preprocessing.layout

    assert (layout(None, None), layout(None, "hwc"), layout("chw", "hwc")) == ("chw", "hwc", "chw")


def test_a_layout_is_for_images(tiny: Tiny, network: Architecture) -> None:
    np.savez(tiny.members, features=np.random.default_rng(0).normal(size=(9, 144)))
    with pytest.raises(UsageError, match=r"--layout is for images, and .*members\.npz is a table"):
        read_data(asked(tiny, controls=None, mean="0", layout="hwc"), network)


def test_rows_that_are_images_are_flattened_as_stated(tiny: Tiny, network: Architecture) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 7, 3), dtype=np.uint8)
    fitting = replace(network, layers=(replace(network.layers[0], inputs=168), *network.layers[1:]))
    given = {"controls": None, "mean": None, "input_shape": "3,8,7"}
    for layout, rows in (("hwc", pixels), ("chw", pixels.transpose(0, 3, 1, 2))):
        np.savez(tiny.members, images=rows.reshape(5, -1))
        data, _, _ = read_data(asked(tiny, **given, layout=layout), fitting)
        np.testing.assert_allclose(data.members.values, pixels / np.float32(255))
