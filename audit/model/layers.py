"""Linear layers, from the names and shapes of tensors; what is no plain layer is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from audit.errors import ArchitectureError
from audit.model.checkpoint import FLOAT_TYPES

ONE_MLP = "only plain chains of linear layers can be audited"
_FOLD = f"fold the normalisation into the linear layers first: {ONE_MLP}"


# (pattern of tensor names, what such a tensor is, what to do)
_FOREIGN = (
    (
        r"(weight|bias)_(g|v|u|orig|mask)$|parametrizations",
        "part of a parametrised weight",
        "fold it first, e.g. with torch.nn.utils.parametrize.remove_parametrizations or prune.remove",
    ),
    (r"running_(mean|var)$|num_batches_tracked$", "a batch normalisation buffer", _FOLD),
    (r"(weight|bias)_[ih]h", "part of a recurrent layer", ONE_MLP),
    (
        r"in_proj_(weight|bias)$|(^|[._])(qkv|[qkv]_proj|query|key|\w*attn|\w*attention)[._]",
        "attention",
        ONE_MLP,
    ),
    (r"(^|[._])(\w*embeddings?|embed_tokens|wte|wpe)([._]|$)", "an embedding", ONE_MLP),
    (
        r"(^|[._])(mean|std)$",
        "input normalisation",
        "pass --mean and --std, and save the checkpoint without it",
    ),
)


@dataclass(frozen=True)
class Layer:
    """One linear layer."""

    weight: str
    """Name of the weight tensor, (outputs, inputs)."""
    bias: str | None
    """Name of the bias tensor, (outputs,); None when the layer has none."""
    outputs: int
    """Units of the layer."""
    inputs: int
    """Values that every unit takes."""


def find_layers(tensors: Mapping[str, torch.Tensor]) -> list[Layer]:
    """Pair matrices with their biases, in the order of the file."""
    for name, tensor in tensors.items():
        _refuse_foreign(name, tensor)
    biases: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            biases[_weight_of(name, tensor, tensors)] = name
    layers = [
        Layer(name, biases.get(name), *tensor.shape) for name, tensor in tensors.items() if tensor.ndim == 2
    ]
    if not layers:
        raise ArchitectureError("the checkpoint holds no weight matrix", f"check the file: {ONE_MLP}")
    return layers


def _refuse_foreign(name: str, tensor: torch.Tensor) -> None:
    shape = "x".join(str(length) for length in tensor.shape) or "scalar"
    for pattern, kind, remedy in _FOREIGN:
        if re.search(pattern, name):
            raise ArchitectureError(f"not one MLP: {name} ({shape}) is {kind}", remedy)
    if tensor.ndim not in (1, 2):
        kind = "a convolution" if tensor.ndim in (3, 4, 5) else "neither a weight matrix nor a bias"
        raise ArchitectureError(f"not one MLP: {name} ({shape}) is {kind}", ONE_MLP)
    if tensor.ndim == 2 and name.rpartition(".")[2] == "bias":
        raise ArchitectureError(f"not one MLP: {name} ({shape}) is a matrix, expected a vector", ONE_MLP)
    if tensor.ndim == 1 and name.rpartition(".")[2] == "weight":
        problem = f"not one MLP: {name} ({shape}) is a vector, as in a normalisation layer or PReLU"
        raise ArchitectureError(problem, _FOLD)
    if tensor.dtype not in FLOAT_TYPES:
        expected = ", ".join(str(kind).removeprefix("torch.") for kind in FLOAT_TYPES)
        problem = f"{name} is stored as {str(tensor.dtype).removeprefix('torch.')}, expected {expected}"
        raise ArchitectureError(problem, "save the weights as floating-point numbers")
    if tensor.numel() == 0:
        raise ArchitectureError(f"{name} ({shape}) has no values", "check how the checkpoint was saved")


def _weight_of(name: str, bias: torch.Tensor, tensors: Mapping[str, torch.Tensor]) -> str:
    """Find the matrix that a vector is the bias of: `fc1.weight` for `fc1.bias`, `W1` for `b1`."""
    for short, long in (("bias", "weight"), ("b", "W"), ("b", "w")):
        weight = long.join(name.rsplit(short, 1))
        matrix = tensors.get(weight)
        if weight != name and matrix is not None and matrix.ndim == 2:
            if len(bias) != len(matrix):
                problem = f"{name} has {len(bias)} values, {weight} has {len(matrix)} outputs"
                raise ArchitectureError(problem, "check how the checkpoint was saved")
            return weight
    expected = f", expected {'weight'.join(name.rsplit('bias', 1))}" if "bias" in name else ""
    problem = f"not one MLP: {name} ({len(bias)} values) belongs to no weight matrix{expected}"
    raise ArchitectureError(
        problem, f"save the checkpoint without it if the model does not need it: {ONE_MLP}"
    )


def layer_names(layers: Sequence[Layer]) -> str:
    """List the names of the weights of layers."""
    return ", ".join(layer.weight for layer in layers)
