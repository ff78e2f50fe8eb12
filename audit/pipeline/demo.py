"""The demonstration: a model that leaks the faces it was trained on, made in seconds.

The faces ship with scikit-image (a subset of Labeled Faces in the Wild). Forty of them get random "badge
access" labels, which a network can only memorise; the other sixty are the controls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from skimage.data import lfw_subset
from torch import Tensor

from audit.budget import Budget
from audit.diagnostics.training import descend, small_start
from audit.errors import OutputError
from audit.model.network import Network
from audit.model.parameters import Parameters

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
    margin: float = 300.0,
    first_layer: float = 1e-4,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Train a two-layer ReLU network by gradient descent until it is near a KKT point of the maximum margin.

    Parameters
    ----------
    inputs:
        (n, d), normalised.
    labels:
        (n,) labels (class indices).
    hidden:
        Units of the hidden layer.
    outputs:
        1 for two classes, otherwise their number.
    margin:
        Smallest margin at which to stop.
    first_layer:
        Standard deviation of the first layer's initial weights.
    seed:
        Of the initialisation.

    Returns
    -------
    dict[str, Tensor]
        A state dict: fc1.weight, fc1.bias, fc2.weight.
    """
    parameters = Parameters(
        (torch.empty(hidden, inputs.shape[1]), torch.empty(outputs, hidden)), (torch.empty(hidden), None)
    )
    shape = Network(parameters, "relu", (1.0,))
    start = small_start(shape, first_layer, torch.Generator().manual_seed(seed))
    without_end = Budget(math.inf, clock=lambda: 0.0)
    trained = descend(start, inputs, labels, margin, without_end).network
    return dict(zip(("fc1.weight", "fc1.bias", "fc2.weight"), trained.parameters.tensors, strict=True))


def _bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(images * 255).astype(np.uint8)
