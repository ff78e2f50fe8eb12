"""The demonstration: a model that leaks the faces it was trained on, made in seconds.

The faces ship with scikit-image (a subset of Labeled Faces in the Wild). Forty of them get random "badge
access" labels, which a network can only learn by heart; the other sixty are the controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from skimage.data import lfw_subset
from torch import Tensor
from torch.nn import functional

from audit.errors import OutputError
from audit.training import log_loss, soft_margins

_FACES, _MEMBERS, _HIDDEN = 100, 40, 1000


@dataclass(frozen=True)
class DemoFiles:
    """What `prepare` left in a folder."""

    checkpoint: Path
    """model.safetensors"""
    members: Path
    """members.npz: the faces the model was trained on, with their labels."""
    controls: Path
    """controls.npz: faces it never saw."""
    mean: Path
    """mean.npy: (h, w), the face subtracted from every input, part of the model's input normalisation."""


def prepare(folder: Path, seed: int = 0) -> DemoFiles:
    """Train the leaky model and write it with its data into `folder`.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    random = np.random.default_rng(seed)
    faces = lfw_subset()[:_FACES].astype(np.float32)
    order = random.permutation(_FACES)
    members, controls = faces[order[:_MEMBERS]], faces[order[_MEMBERS:]]
    labels = random.permutation(np.arange(_MEMBERS) % 2)
    mean = members.mean(0)
    tensors = train(
        torch.from_numpy((members - mean).reshape(_MEMBERS, -1)),
        torch.from_numpy(labels),
        hidden=_HIDDEN,
        seed=seed,
    )
    files = DemoFiles(
        folder / "model.safetensors", folder / "members.npz", folder / "controls.npz", folder / "mean.npy"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, files.checkpoint, metadata={"activation": "relu"})
        np.savez_compressed(files.members, images=_bytes(members), labels=labels)
        np.savez_compressed(files.controls, images=_bytes(controls))
        np.save(files.mean, mean)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}", "choose another --out"
        ) from error
    return files


def train(
    inputs: Tensor,
    labels: Tensor,
    *,
    hidden: int,
    outputs: int = 1,
    rate: float = 0.002,
    margin: float = 300.0,
    most_steps: int = 20_000,
    first_layer: float = 1e-4,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Train a two-layer ReLU network by gradient descent until it is near a KKT point of the maximum margin.

    A small first layer and a long way past zero training error are what make a network leak (Haim et al. 2022).
    Descending the logarithm of the summed loss divides every step by the loss, which gets there in seconds.

    Parameters
    ----------
    inputs:
        (n, d), normalised.
    labels:
        (n,) class numbers.
    hidden:
        Units of the hidden layer.
    outputs:
        1 for two classes, otherwise their number.
    rate:
        Step length.
    margin:
        Smallest margin at which to stop.
    most_steps:
        Steps after which to stop anyway.
    first_layer:
        Standard deviation of the first layer's initial weights.
    seed:
        Of the initialisation.

    Returns
    -------
    dict[str, Tensor]
        A state dict: fc1.weight, fc1.bias, fc2.weight.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = first_layer * torch.randn(hidden, inputs.shape[1], generator=generator)
    bias = torch.zeros(hidden)
    head = torch.randn(outputs, hidden, generator=generator) / hidden**0.5
    parameters = [tensor.requires_grad_() for tensor in (weight, bias, head)]
    for _ in range(most_steps):
        hidden_layer = functional.relu(functional.linear(inputs, weight, bias))
        margins = soft_margins(functional.linear(hidden_layer, head), labels)
        if float(margins.detach().min()) > margin:
            break
        gradients = torch.autograd.grad(log_loss(margins), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= rate * gradient
    return {"fc1.weight": weight.detach(), "fc1.bias": bias.detach(), "fc2.weight": head.detach()}


def _bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(images * 255).astype(np.uint8)
