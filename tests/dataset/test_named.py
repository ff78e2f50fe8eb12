"""Data sets of torchvision by name, downloads, and the held-out samples that belong to them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from audit.dataset.load import load_samples
from audit.dataset.specs import default_controls
from tests.dataset.support import complaint, pixels


@pytest.fixture
def mnist(tmp_path: Path):
    """Write a tiny MNIST in the files torchvision expects; return its root and its training images."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 9), ("t10k", 4)):
        images = pixels(count, (28, 28))
        header = np.array([2051, count, 28, 28], dtype=">i4").tobytes()
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = np.arange(count, dtype=np.uint8)
        header = np.array([2049, count], dtype=">i4").tobytes()
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return tmp_path, pixels(9, (28, 28))


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        ("mnist:train", range(9)),
        ("MNIST:train", range(9)),
        ("mnist:train[:5]", range(5)),
        ("mnist:train[2:5]", range(2, 5)),
        ("mnist:train[-3:]", range(6, 9)),
        ("mnist:train[:500]", range(9)),
        ("mnist:train[:]", range(9)),
    ],
)
def test_named_sets(mnist, spec, rows) -> None:
    root, raw = mnist
    found = load_samples(spec, data_root=root)
    assert found.values.shape == (len(rows), 28, 28, 1)
    assert found.values[..., 0] == pytest.approx(raw[list(rows)] / 255.0)
    assert found.labels.tolist() == list(rows)
    assert found.ids == tuple(f"train/{row}" for row in rows)
    assert found.source == spec


def test_the_test_split_is_another_set(mnist) -> None:
    assert load_samples("mnist:test", data_root=mnist[0]).ids == ("test/0", "test/1", "test/2", "test/3")


@pytest.mark.parametrize(
    "spec", ["mnist:", "mnist:valid", "mnist:train[3]", "mnist:train[::2]", "mnist:train["]
)
def test_malformed_names_of_sets(mnist, spec) -> None:
    message = complaint(spec, data_root=mnist[0])
    assert spec in message
    assert "mnist:train[:500]" in message


@pytest.mark.parametrize("spec", ["mnist:train[5:2]", "mnist:train[100:]"])
def test_empty_ranges(mnist, spec) -> None:
    assert "is empty" in complaint(spec, data_root=mnist[0])


@pytest.mark.parametrize(
    "spec", ["mnist:train", "fashion-mnist:test", "kmnist:test", "cifar10:test", "cifar100:train"]
)
def test_absent_sets_say_where_they_were_looked_for(tmp_path: Path, spec) -> None:
    message = complaint(spec, data_root=tmp_path)
    assert f"under {tmp_path}" in message
    assert "pass --download" in message
    assert list(tmp_path.iterdir()) == []


def test_damaged_sets(mnist) -> None:
    root, _ = mnist
    (root / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    assert "missing or damaged" in complaint("mnist:train", data_root=root)


@pytest.mark.parametrize(
    "failure",
    [
        "raise RuntimeError('operator torchvision::nms does not exist')",
        "raise ImportError('no torchvision here')",
        "import torchvision_of_another_planet",
    ],
)
def test_torchvision_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure
) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(failure + "\n")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    message = complaint("mnist:train", data_root=tmp_path)
    assert "mnist:train needs torchvision, which cannot be imported" in message
    assert ".npz" in message


@pytest.mark.parametrize(
    ("spec", "controls"),
    [
        ("mnist:train", "mnist:test"),
        ("cifar10:train[10:20]", "cifar10:test"),
        ("mnist:test", None),
        ("unknown:train", None),
        ("set.npz", None),
    ],
)
def test_default_controls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec, controls) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_controls(spec) == controls


def test_a_folder_that_looks_like_a_named_set_has_no_default_controls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist:train").mkdir()
    assert default_controls("mnist:train") is None


class Stub:
    """Stands in for torchvision's MNIST: no network is needed, and what it was asked is remembered."""

    asked: list[bool]
    error: Exception | None

    def __init__(self, root, train, download) -> None:
        self.asked.append(download)
        print("downloading")
        if self.error is not None:
            raise self.error
        self.data, self.targets = pixels(4, (28, 28)), torch.arange(4)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch):
    Stub.asked, Stub.error = [], None
    monkeypatch.setattr(torchvision.datasets, "MNIST", Stub)
    return Stub


def test_a_named_set_is_downloaded_only_when_asked(
    tmp_path: Path, stub, capsys: pytest.CaptureFixture[str]
) -> None:
    load_samples("mnist:train[:2]", data_root=tmp_path)
    assert stub.asked == [False]
    assert len(load_samples("mnist:train[:2]", data_root=tmp_path, download=True)) == 2
    assert stub.asked == [False, True]
    out, err = capsys.readouterr()
    assert out == ""  # which is for the verdict
    assert "downloading" in err


@pytest.mark.parametrize(
    "error", [RuntimeError("first line\nsecond"), OSError(28, "No space left on device"), ValueError()]
)
def test_a_failing_download_is_one_line(tmp_path: Path, stub, error) -> None:
    stub.error = error
    message = complaint("mnist:test", data_root=tmp_path, download=True)
    assert f"mnist:test could not be downloaded to {tmp_path}" in message
    assert "check the connection" in message
    assert "pass --download" in complaint("mnist:test", data_root=tmp_path)


def test_scan_and_inspect_pass_the_option_on(tmp_path: Path, stub, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file
    from typer.testing import CliRunner

    from audit.cli import app

    save_file({"a.weight": torch.rand(5, 784), "b.weight": torch.rand(1, 5)}, tmp_path / "model.safetensors")
    stub.error = OSError("no route to host")
    monkeypatch.setattr(sys, "argv", ["model-audit"])
    for command in ("scan", "inspect"):
        for extra in ([], ["--download"]):
            arguments = [command, str(tmp_path / "model.safetensors"), "--data", "mnist:train"]
            result = CliRunner().invoke(app, [*arguments, "--data-root", str(tmp_path), *extra])
            assert result.exit_code == 2
    assert stub.asked == [False, True, False, True]
