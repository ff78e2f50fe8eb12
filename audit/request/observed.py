"""What was observed of training besides weights: a gradient, or an update, of one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from audit.equation.row_space import RowSpace, row_space
from audit.errors import CheckpointError
from audit.model.architecture import Architecture
from audit.model.checkpoint import FLOAT_TYPES, Checkpoint, load_checkpoint
from audit.request.request import Kind
from audit.words import plural

_NOISE = 1e-5
"""Part of the first layer's gradient that may be rounding in single precision."""
_HALF = (torch.float16, torch.bfloat16)
_REMEDY = "save one finite tensor for every weight of the checkpoint, under its name and in its shape"


@dataclass(frozen=True, eq=False)
class Observed:
    """A gradient that fits a checkpoint."""

    checkpoint: Checkpoint
    """Its tensors, under the names of the checkpoint's, of length 1 together: attacks need the direction only, and
    squares of very small or large gradients are beyond single precision."""
    kind: Kind
    """What the file held."""
    rate: float | None
    """Learning rate of the step, if it was stated."""
    rank: int
    """Of the first layer, above its noise: the batch held at least about as many samples."""
    highest: int
    """Rank that a layer with as many rows and columns that are not zero could have at most."""
    noise: float
    """Norm of what lies below the noise's edge in the first layer, over that of everything."""
    notes: tuple[str, ...]
    """What a reader should know: how many samples it seems to hold, and what was assumed or converted."""

    @property
    def noisy(self) -> bool:
        """Whether there is more noise than rounding, below which samples may be hidden."""
        return self.noise > _NOISE


def load_gradient(
    path: Path,
    checkpoint: Checkpoint,
    architecture: Architecture,
    kind: Kind = "gradient",
    rate: float | None = None,
) -> Observed:
    """Read a gradient, or an update, which must have the tensors of a checkpoint.

    Parameters
    ----------
    path:
        Read as checkpoints are.
    checkpoint:
        Where the gradient was taken.
    architecture:
        Of the checkpoint.
    kind:
        What the file holds.
    rate:
        Learning rate of the step that an update is of, for the record.

    Returns
    -------
    Observed
        The gradient, or minus the update, divided by its norm.

    Raises
    ------
    CheckpointError
        When it cannot be read, or a tensor is missing, unknown, of another shape or not finite.
    """
    try:
        read = load_checkpoint(path)
    except CheckpointError as error:
        raise CheckpointError(f"--gradient: {error.problem}", _REMEDY) from error
    needed = {name for layer in architecture.layers for name in (layer.weight, layer.bias) if name}
    _check_tensors(path, read, checkpoint, needed)
    kept = {name: tensor for name, tensor in read.tensors.items() if name in needed}
    half = any(tensor.dtype in _HALF for tensor in kept.values())
    if half:
        kept = {name: tensor.float() for name, tensor in kept.items()}
    kept = _normalise(kept, sign=-1.0 if kind == "update" else 1.0)
    first = kept[architecture.layers[0].weight].float()
    space, highest = row_space(first, "gradient"), min(int(first.any(side).sum()) for side in (0, 1))
    if (
        architecture.activation == "identity"
    ):  # one direction for each output, whose derivatives add up to zero
        highest = min(highest, *(layer.outputs - 1 for layer in architecture.layers))
    notes = [f"observed {kind}: {_estimate_batch(space)}"]
    if half:
        notes.append(f"observed {kind}: stored in half precision, whose rounding is noise to exact attacks")
    seen = replace(read, tensors=kept)
    return Observed(seen, kind, rate, space.signals, highest, space.noise, tuple(notes))


def _check_tensors(path: Path, read: Checkpoint, checkpoint: Checkpoint, needed: set[str]) -> None:
    """Check that a gradient has the tensors of the checkpoint, and those of the layers as numbers."""
    for name in checkpoint.tensors:
        if name in needed and name not in read.tensors:
            raise CheckpointError(f"--gradient {path} has no {name}", _REMEDY)
    for name, tensor in read.tensors.items():
        if name not in checkpoint.tensors:
            raise CheckpointError(f"--gradient {path} has {name}, which {checkpoint.path} has not", _REMEDY)
        if tensor.shape != (expected := checkpoint.tensors[name].shape):
            ours, theirs = ("x".join(map(str, shape)) for shape in (tensor.shape, expected))
            problem = f"--gradient: {name} is {ours} in {path}, {theirs} in {checkpoint.path}"
            raise CheckpointError(problem, _REMEDY)
        if name in needed and tensor.dtype not in FLOAT_TYPES:
            raise CheckpointError(f"--gradient {path}: {name} is stored as {tensor.dtype}", _REMEDY)


def _normalise(tensors: dict[str, torch.Tensor], sign: float) -> dict[str, torch.Tensor]:
    squares = sum(float(tensor.double().square().sum()) for tensor in tensors.values())
    scale = sign / math.sqrt(squares) if squares else sign
    return {name: (tensor.double() * scale).to(tensor.dtype) for name, tensor in tensors.items()}


def _estimate_batch(space: RowSpace) -> str:
    """Estimate the size of the batch, in words."""
    if not space.signals:
        return "nothing in its first layer stands out of noise"
    noise = f" above noise of {space.noise:.1g} of its norm" if space.noise > _NOISE else ""
    batch = plural(space.signals, "sample")
    return f"its first layer has rank {space.signals}{noise}: the batch held at least {batch}"
