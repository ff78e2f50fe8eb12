"""What a user hands to `model-audit scan`, in memory until it is written to files."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Asked:
    """One audit, as it is asked for."""

    checkpoint: Tensors
    """The model."""
    members: NDArray[Any]
    """(n, h, w) or (n, h, w, c) pixels, or (n, d) rows of a table."""
    controls: NDArray[Any] | None
    """(k, ...) in the same form."""
    labels: NDArray[np.int64] | None = None
    """(n,)"""
    control_labels: NDArray[np.int64] | None = None
    """(k,)"""
    mean: float | NDArray[Any] | None = None
    """Of the preprocessing; None where the user does not state it."""
    std: float | NDArray[Any] | None = None
    """Likewise."""
    initial: Tensors | None = None
    """What the training began with."""
    gradient: Tensors | None = None
    """What was observed of a batch."""
    activation: str | None = "relu"
    """As the checkpoint states it; None where it does not."""
    options: tuple[str, ...] = ()
    """What else is on the command line."""
    folders: bool = False
    """Whether images are files in a folder for each label, and not arrays."""

    def but(self, **changes: Any) -> Asked:
        """Ask for the same, with some of it changed."""
        return replace(self, **changes)

    def write(self, folder: Path) -> list[str]:
        """Write the files and return the arguments of `scan`."""
        folder.mkdir(parents=True, exist_ok=True)
        stated = {} if self.activation is None else {"activation": self.activation}
        save_file(_plain(self.checkpoint), folder / "model.safetensors", metadata=stated)
        arguments = [str(folder / "model.safetensors")]
        for name, values, labels in (
            ("data", self.members, self.labels),
            ("controls", self.controls, self.control_labels),
        ):
            if values is None:
                continue
            write = _write_pictures if self.folders else _write_samples
            arguments += [f"--{name}", str(write(folder / name, values, labels))]
        for name, value in (("mean", self.mean), ("std", self.std)):
            if isinstance(value, np.ndarray):
                np.save(folder / f"{name}.npy", value)
                arguments += [f"--{name}", str(folder / f"{name}.npy")]
            elif value is not None:
                arguments += [f"--{name}", repr(value)]
        for name, tensors in (("initial", self.initial), ("gradient", self.gradient)):
            if tensors is not None:
                save_file(_plain(tensors), folder / f"{name}.safetensors")
                arguments += [f"--{name}", str(folder / f"{name}.safetensors")]
        return [*arguments, *self.options]


def _plain(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}


def _write_samples(stem: Path, values: NDArray[Any], labels: NDArray[np.int64] | None) -> Path:
    if values.ndim == 2:
        return _write_table(stem.with_suffix(".csv"), values, labels)
    values = np.ascontiguousarray(values)
    arrays = {"images": values} if labels is None else {"images": values, "labels": labels}
    np.savez(stem.with_suffix(".npz"), **arrays)
    return stem.with_suffix(".npz")


def _write_pictures(folder: Path, pixels: NDArray[Any], labels: NDArray[np.int64] | None) -> Path:
    for place, picture in enumerate(pixels):
        path = folder / ("" if labels is None else str(labels[place])) / f"{place:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return folder


def _write_table(path: Path, rows: NDArray[Any], labels: NDArray[np.int64] | None) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [f"column-{place}" for place in range(rows.shape[1])]
        writer.writerow(names if labels is None else [*names, "label"])
        for place, row in enumerate(rows.tolist()):
            writer.writerow(row if labels is None else [*row, labels[place]])
    return path
