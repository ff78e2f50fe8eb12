"""The checkpoint with what else of training was seen."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from audit.errors import ArchitectureError, UsageError
from audit.request.request import ModelOptions
from audit.request.weights import read_weights
from tests.tiny import untrained, weights


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(weights(), path, metadata={"activation": "relu"})
    return path


def test_a_checkpoint_alone(checkpoint: Path) -> None:
    found, notes = read_weights(ModelOptions(checkpoint))
    assert found.model == (found.checkpoint, found.architecture)
    assert (found.initial, found.gradient, found.gradient_model, notes) == (None, None, None, [])


def test_what_else_was_seen_is_read_and_noted(checkpoint: Path) -> None:
    before, seen = checkpoint.with_name("before.safetensors"), checkpoint.with_name("seen.safetensors")
    for path in (before, seen):
        save_file(untrained(), path)
    asked = ModelOptions(checkpoint, initial=before, gradient=seen, gradient_kind="update", learning_rate=0.1)
    found, (first, second) = read_weights(asked)
    assert found.initial is not None
    assert found.initial[0].path == before
    assert first == f"weights before training: {before}, sha256 {found.initial[0].sha256}"
    assert found.gradient is not None
    assert (found.gradient.kind, found.gradient.rate) == ("update", 0.1)
    assert found.gradient_model == (found.gradient.checkpoint, found.architecture)
    assert second.startswith("observed update: ")


def test_two_files_with_tensors_are_told_apart(checkpoint: Path) -> None:
    before = checkpoint.with_name("before.safetensors")
    save_file({"fc1.weight": torch.ones(8, 1, 3, 3)}, before)
    with pytest.raises(ArchitectureError, match=f"--initial {before}: "):
        read_weights(ModelOptions(checkpoint, initial=before))


def test_weights_from_before_training_that_are_those_of_the_checkpoint_are_refused(checkpoint: Path) -> None:
    before = checkpoint.with_name("copy.safetensors")
    save_file({name: tensor.double() for name, tensor in weights().items()}, before)
    with pytest.raises(UsageError, match=f"--initial {before} holds the same weights as {checkpoint}"):
        read_weights(ModelOptions(checkpoint, initial=before))


def test_layers_that_training_left_alone_are_named(checkpoint: Path) -> None:
    before = checkpoint.with_name("before.safetensors")
    frozen = {name: tensor for name, tensor in weights().items() if name.startswith("fc1")}
    save_file(untrained() | frozen, before)
    _, notes = read_weights(ModelOptions(checkpoint, initial=before))
    assert notes[-1] == "layers that are as before training: fc1.weight"


def test_layers_of_the_same_names_belong_together(checkpoint: Path) -> None:
    names = ["stem.weight", "b.weight", "a.weight", "head.weight"]
    shapes = [(6, 9), (6, 6), (6, 6), (2, 6)]

    def drawn(seed: int) -> dict[str, torch.Tensor]:
        rng = torch.Generator().manual_seed(seed)
        return {name: torch.randn(shape, generator=rng) for name, shape in zip(names, shapes, strict=True)}

    first, saved = checkpoint.with_name("before.safetensors"), checkpoint.with_name("before.pt")
    save_file(drawn(0), checkpoint)
    save_file(drawn(1) | {"more.weight": torch.ones(6, 6)}, first)
    found, notes = read_weights(ModelOptions(checkpoint, "relu", layers=tuple(names), initial=first))
    assert [layer.weight for layer in found.architecture.layers] == names
    assert found.initial is not None
    assert [layer.weight for layer in found.initial[1].layers] == names
    assert notes[-1] == "--initial: left out, for --layers does not name them: more.weight"
    torch.save({name: drawn(1)[name] for name in names}, saved)
    plain, _ = read_weights(ModelOptions(checkpoint, "relu", initial=saved))
    assert plain.initial is not None
    assert [one.weight for one in plain.initial[1].layers] == [
        one.weight for one in plain.architecture.layers
    ]
