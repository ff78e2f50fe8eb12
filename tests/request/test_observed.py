"""An observed gradient: what is read, what an update becomes, and what is noted."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from audit.model.architecture import infer_architecture
from audit.model.checkpoint import load_checkpoint
from audit.request.observed import Observed, load_gradient


def load(
    folder: Path,
    dtype: torch.dtype = torch.float32,
    rank: int = 2,
    noise: float = 0.0,
    length: float = 1.0,
    shape: tuple[int, int] = (9, 7),
    activation: str = "relu",
    **options: Any,
) -> tuple[Observed, torch.Tensor]:
    """A first layer of a certain rank, and what was read."""
    rng = torch.Generator().manual_seed(0)
    rows, columns = shape
    first = torch.randn(rows, rank, generator=rng) @ torch.randn(rank, columns, generator=rng)
    first = (length * (first + noise * torch.randn(shape, generator=rng))).to(dtype)
    tensors = {"fc1.weight": first, "fc2.weight": length * torch.ones(1, rows, dtype=dtype)}
    model = {"fc1.weight": torch.ones(shape), "fc2.weight": torch.ones(1, rows)}
    save_file(model, folder / "model.safetensors")
    save_file(tensors, folder / "seen.safetensors")
    checkpoint = load_checkpoint(folder / "model.safetensors")
    architecture = infer_architecture(checkpoint, activation)
    return load_gradient(folder / "seen.safetensors", checkpoint, architecture, **options), first


def whole(found: Observed) -> float:
    """Norm of all tensors together."""
    return float(
        torch.cat([tensor.flatten().double() for tensor in found.checkpoint.tensors.values()]).norm()
    )


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one / one.norm()).flatten() @ (other.double() / other.double().norm()).float().flatten())


@pytest.mark.parametrize("length", [1e-20, 1.0, 1e20])
def test_a_gradient_has_a_direction_only(tmp_path: Path, length: float) -> None:
    found, first = load(tmp_path, length=length)
    layer = found.checkpoint.tensors["fc1.weight"]
    assert cosine(layer, first) == pytest.approx(1)
    assert whole(found) == pytest.approx(1)
    assert (found.kind, found.rate, found.rank) == ("gradient", None, 2)
    assert found.notes == (
        "observed gradient: its first layer has rank 2: the batch held at least 2 samples",
    )


@pytest.mark.parametrize("rate", [None, 0.1])
def test_an_update_is_what_it_went_down(tmp_path: Path, rate: float | None) -> None:
    found, first = load(tmp_path, kind="update", rate=rate)
    layer = found.checkpoint.tensors["fc1.weight"]
    assert cosine(layer, first) == pytest.approx(-1)
    assert (found.kind, found.rate) == ("update", rate)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_converted(tmp_path: Path, dtype: torch.dtype) -> None:
    found, _ = load(tmp_path, dtype)
    assert found.checkpoint.tensors["fc1.weight"].dtype is torch.float32
    assert whole(found) == pytest.approx(1)
    assert any("half precision" in note for note in found.notes)


def test_double_precision_is_kept(tmp_path: Path) -> None:
    found, first = load(tmp_path, torch.float64)
    layer = found.checkpoint.tensors["fc1.weight"]
    assert layer.dtype is torch.float64
    torch.testing.assert_close(layer / layer.norm(), first / first.norm())
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    ("rank", "words"),
    [
        (0, "nothing in its first layer stands out of noise"),
        (1, "its first layer has rank 1: the batch held at least 1 sample"),
        (7, "its first layer has rank 7: the batch held at least 7 samples"),
    ],
)
def test_what_the_rank_says_of_the_batch(tmp_path: Path, rank: int, words: str) -> None:
    found, _ = load(tmp_path, rank=rank)
    assert found.rank == rank
    assert found.notes == (f"observed gradient: {words}",)


def test_noise_is_noted(tmp_path: Path) -> None:
    found, _ = load(tmp_path, rank=3, noise=0.01, shape=(90, 80))
    (note,) = found.notes
    assert re.fullmatch(
        r".*rank 3 above noise of 0\.00\d of its norm: the batch held at least 3 samples", note
    )
