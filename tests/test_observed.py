"""An observed gradient: what is read, what an update becomes, and what is noted."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from audit.architecture import infer_architecture
from audit.checkpoint import load_checkpoint
from audit.observed import Observed, load_gradient


def load(
    folder: Path, dtype: torch.dtype = torch.float32, **options: object
) -> tuple[Observed, torch.Tensor]:
    """A first layer of rank 2, and what was read."""
    rng = torch.Generator().manual_seed(0)
    first = (torch.randn(9, 2, generator=rng) @ torch.randn(2, 7, generator=rng)).to(dtype)
    tensors = {"fc1.weight": first, "fc2.weight": torch.ones(1, 9, dtype=dtype)}
    save_file({"fc1.weight": torch.ones(9, 7), "fc2.weight": torch.ones(1, 9)}, folder / "model.safetensors")
    save_file(tensors, folder / "seen.safetensors")
    checkpoint = load_checkpoint(folder / "model.safetensors")
    architecture = infer_architecture(checkpoint, "relu")
    return load_gradient(folder / "seen.safetensors", checkpoint, architecture, **options), first  # type: ignore[arg-type]


def test_a_gradient_is_taken_as_it_is(tmp_path: Path) -> None:
    found, first = load(tmp_path)
    assert torch.equal(found.checkpoint.tensors["fc1.weight"], first)
    source, rank = found.notes
    assert source.startswith(f"observed gradient: {tmp_path}")
    assert "sha256" in source
    assert "has rank 2" in rank


@pytest.mark.parametrize(("rate", "factor"), [(None, -1.0), (0.1, -10.0)])
def test_an_update_is_what_it_went_down(tmp_path: Path, rate: float | None, factor: float) -> None:
    found, first = load(tmp_path, kind="update", rate=rate)
    torch.testing.assert_close(found.checkpoint.tensors["fc1.weight"], factor * first)
    assert any("learning rate" in note for note in found.notes) == (rate is None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_converted(tmp_path: Path, dtype: torch.dtype) -> None:
    found, first = load(tmp_path, dtype)
    assert found.checkpoint.tensors["fc1.weight"].dtype is torch.float32
    torch.testing.assert_close(found.checkpoint.tensors["fc1.weight"], first.float())
    assert any("half precision" in note for note in found.notes)
