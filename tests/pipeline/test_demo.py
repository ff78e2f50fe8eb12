"""The demonstration: its files and its training. The whole of it is a slow test."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from skimage.data import lfw_subset

from audit.errors import OutputError
from audit.pipeline import demo
from audit.pipeline.run import run
from audit.request.check import check
from audit.request.request import Request


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train hardly at all."""
    monkeypatch.setattr(demo, "train", functools.partial(demo.train, margin=-1.0))


def request(files: demo.DemoFiles, **changes: Any) -> Request:
    plain = Request.of(
        files.checkpoint, data=files.members, controls=files.controls, mean=files.mean, budget=60.0
    )
    return plain.but(**changes)


def test_its_files_are_an_audit(untrained: None, tmp_path: Path) -> None:
    files = demo.prepare(tmp_path / "deep/down")
    inputs = check(request(files))  # also refuses members among the controls
    assert inputs.data.controls is not None
    assert (len(inputs.data.members), len(inputs.data.controls)) == (40, 60)
    assert inputs.data.members.labels is not None
    assert inputs.data.members.labels.sum() == 20
    assert inputs.weights.architecture.activation == "relu"
    assert inputs.notes == ()
    both = np.concatenate([inputs.data.members.values, inputs.data.controls.values])[..., 0]
    faces = lfw_subset()[:100]
    np.testing.assert_allclose(np.sort(both.sum((1, 2))), np.sort(faces.sum((1, 2))), atol=1.0)
    mean = np.load(files.mean)
    np.testing.assert_allclose(mean, inputs.data.members.values[..., 0].mean(0), atol=0.5 / 255)


def test_the_seed_decides_who_is_a_member(untrained: None, tmp_path: Path) -> None:
    first, again, other = (
        demo.prepare(tmp_path / name, seed) for name, seed in [("a", 0), ("b", 0), ("c", 1)]
    )
    for one, two in zip(vars(first).values(), vars(again).values(), strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert not np.array_equal(np.load(first.members)["images"], np.load(other.members)["images"])


def test_a_folder_that_cannot_be_written(untrained: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*file.*choose another --out"):
        demo.prepare(tmp_path / "file")


@pytest.mark.parametrize("outputs", [1, 3])
def test_training_reaches_the_margin_on_every_sample(outputs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(12, 20, generator=generator), torch.arange(12) % max(outputs, 2)
    weights = demo.train(inputs, labels, hidden=50, outputs=outputs, margin=20.0)
    hidden = (inputs @ weights["fc1.weight"].T + weights["fc1.bias"]).relu()
    logits = hidden @ weights["fc2.weight"].T
    assert logits.shape == (12, outputs)
    if outputs == 1:
        margins = logits[:, 0] * (2 * labels - 1)
    else:
        wrong = torch.nn.functional.one_hot(labels, outputs).bool()
        margins = logits[wrong] - logits.masked_fill(wrong, -torch.inf).logsumexp(1)
    assert margins.min() > 20.0


def test_a_small_start_is_what_makes_it_leak() -> None:
    inputs, labels = torch.eye(30), torch.arange(30) % 2
    norms = [
        demo.train(inputs, labels, hidden=20, margin=5.0, first_layer=size)["fc1.weight"].norm()
        for size in (1e-4, 1.0)
    ]
    assert norms[0] < norms[1] / 2


@pytest.mark.slow
def test_the_whole_demonstration(tmp_path: Path) -> None:
    script = [sys.executable, "-c", "from audit.cli import main; main()"]
    ran = subprocess.run(
        [*script, "demo", "--out", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    out = ran.stdout
    summary = json.loads((tmp_path / "demo/report.json").read_text())["summary"]
    assert "a scan that ends like this exits with 1" in out
    assert summary["confirmed"] >= 34
    assert summary["null_confirmed"] == 0

    strangers = np.load(tmp_path / "demo/controls.npz")["images"]
    np.savez(tmp_path / "half.npz", images=strangers[:30])
    np.savez(tmp_path / "other-half.npz", images=strangers[30:])
    with safe_open(tmp_path / "demo/model.safetensors", framework="pt") as file:
        assert file.metadata() == {"activation": "relu"}
    report = run(
        Request.of(
            tmp_path / "demo/model.safetensors",
            data=tmp_path / "half.npz",
            controls=tmp_path / "other-half.npz",
            mean=tmp_path / "demo/mean.npy",
            budget=60.0,
        )
    ).report
    assert report.summary.confirmed == 0
