"""Which tensors are layers, and what is said of those that are not."""

from pathlib import Path

import pytest
import torch

from audit.errors import ArchitectureError
from audit.model.architecture import (
    infer_architecture,
)
from audit.model.checkpoint import Checkpoint
from tests.model.support import order, refusal, state


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("1.weight", (5,), "a vector, as in a normalisation layer or PReLU"),
        ("1.running_mean", (5,), "a batch normalisation buffer"),
        ("1.num_batches_tracked", (), "a batch normalisation buffer"),
        ("0.weight_g", (5, 1), "part of a parametrised weight"),
        ("0.weight_orig", (5, 8), "part of a parametrised weight"),
        ("0.parametrizations.weight.original0", (5, 1), "part of a parametrised weight"),
        ("conv.weight", (4, 3, 3, 3), "(4x3x3x3) is a convolution"),
        ("rnn.weight_ih_l0", (5, 5), "part of a recurrent layer"),
        ("attn.in_proj_weight", (15, 5), "attention"),
        ("self_attn.q_proj.weight", (5, 5), "attention"),
        ("query.weight", (5, 5), "attention"),
        ("token_embedding.weight", (5, 5), "an embedding"),
        ("wte.weight", (5, 5), "an embedding"),
        ("normalize.mean", (3,), "input normalisation"),
        ("scale", (), "(scalar) is neither a weight matrix nor a bias"),
        ("2.bias", (1, 3), "a matrix, expected a vector"),
        ("9.bias", (5,), "belongs to no weight matrix, expected 9.weight"),
        ("gain", (5,), "belongs to no weight matrix"),
    ],
)
def test_foreign_tensors_are_named(name: str, shape: tuple[int, ...], kind: str) -> None:
    message = refusal({"0.weight": (5, 8), "2.weight": (3, 5), name: shape})
    assert f"not one MLP: {name}" in message
    assert kind in message


@pytest.mark.parametrize(
    ("module", "tensor"),
    [
        (torch.nn.BatchNorm1d(16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.BatchNorm1d(16, affine=False), "1.running_mean (16) is a batch normalisation buffer"),
        (torch.nn.LayerNorm(16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.RMSNorm(16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.GroupNorm(4, 16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.PReLU(), "1.weight (1) is a vector, as in a normalisation layer or PReLU"),
        (torch.nn.PReLU(16), "1.weight (16) is a vector, as in a normalisation layer or PReLU"),
        (torch.nn.Conv1d(1, 4, 3), "1.weight (4x1x3) is a convolution"),
        (torch.nn.Conv2d(1, 4, 3), "1.weight (4x1x3x3) is a convolution"),
        (torch.nn.Conv3d(1, 4, 3, bias=False), "1.weight (4x1x3x3x3) is a convolution"),
    ],
)
@pytest.mark.parametrize("by_letter", [False, True])
def test_modules_that_are_no_linear_layers_are_named(
    module: torch.nn.Module, tensor: str, by_letter: bool
) -> None:
    tensors = state(module, torch.nn.ReLU()).tensors
    # Safetensors files list their tensors by letter.
    saved = dict(sorted(tensors.items())) if by_letter else tensors
    with pytest.raises(ArchitectureError) as raised:
        infer_architecture(Checkpoint(Path("m"), saved, {}, ""), None)
    message = str(raised.value)
    assert "not one MLP: 1." in message
    assert "only plain chains of linear layers can be audited" in message
    assert by_letter or tensor in message


def test_names_that_only_resemble_foreign_ones() -> None:
    names = ["value.0.weight", "value.embed.weight", "value.mean_layer.weight", "value.out.weight"]
    assert order(dict(zip(names, [(5, 8), (4, 5), (3, 4), (2, 3)], strict=True))) == names


def test_bias_of_another_length_shows_both() -> None:
    message = refusal({"0.weight": (5, 8), "0.bias": (4,), "2.weight": (3, 5)})
    assert "0.bias has 4 values, 0.weight has 5 outputs" in message


def test_no_matrix_and_no_values() -> None:
    assert "no weight matrix" in refusal({})
    assert "0.weight (0x8) has no values" in refusal({"0.weight": (0, 8), "2.weight": (3, 0)})


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.bool, torch.complex64])
def test_types_that_are_not_floating_are_named(kind: torch.dtype) -> None:
    tensors = {"0.weight": torch.zeros(4, 6), "2.weight": torch.zeros(1, 4, dtype=kind)}
    with pytest.raises(ArchitectureError) as raised:
        infer_architecture(Checkpoint(Path("m"), tensors, {}, ""), None)
    assert f"2.weight is stored as {str(kind)[6:]}, expected float16" in str(raised.value)
