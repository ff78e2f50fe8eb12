"""Which source a name on the command line means."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.dataset.load import load_samples
from tests.dataset.support import archive, complaint, forbid, picture, pixels


@pytest.mark.parametrize("spec", ["absent.npz", "absent/folder", "unknown:train", "C:\\absent.npz", "", "\0"])
def test_missing_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec) -> None:
    monkeypatch.chdir(tmp_path)
    message = complaint(spec)
    assert "mnist:train[:500]" in message or "holds no images" in message


def test_an_over_long_name_is_a_complaint() -> None:
    assert "cannot be read" in complaint("x" * 5000)


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "mnist:train" / "a.png", pixels(1)[0])
    assert load_samples("mnist:train").ids == ("a.png",)
    with open("cifar10:test", "wb") as file:
        np.savez(file, images=pixels())
    assert len(load_samples("cifar10:test")) == 6


@pytest.mark.parametrize("name", ["set.npz", "b.png"])
def test_files_one_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name) -> None:
    spec = archive(tmp_path, images=pixels())
    picture(tmp_path / "set" / "b.png", pixels(1)[0])
    monkeypatch.setattr(builtins, "open", forbid(builtins.open, name))
    message = complaint(spec if name == "set.npz" else tmp_path / "set")
    assert f"{name} cannot be read (Permission denied)" in message


@pytest.mark.parametrize("kind", ["npz", "npy", "pt", "pair"])
def test_tables_as_arrays(tmp_path: Path, kind) -> None:
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    path = tmp_path / f"set.{'pt' if kind == 'pair' else kind}"
    if kind == "npz":
        np.savez(path, features=rows, labels=np.arange(4))
    elif kind == "npy":
        np.save(path, rows)
    else:
        both = (torch.from_numpy(rows), torch.arange(4))
        torch.save(both if kind == "pair" else {"features": both[0]}, path)
    found = load_samples(str(path))
    assert (found.values == rows).all()
    assert found.columns[:2] == ("column 0", "column 1")
    assert (found.labels is None) == (kind in ("npy", "pt"))
