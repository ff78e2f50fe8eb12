"""The networks under attack: four small MLPs trained until they memorise, from seeds, and kept in a cache.

| name    | images                                       | classes               | n   | network     | controls |
|---------|----------------------------------------------|-----------------------|-----|-------------|----------|
| faces   | skimage.data.lfw_subset, its 100 faces       | random, balanced      | 40  | 625-1000-1  | 60       |
| mnist   | first 6,000 of t10k                          | odd / even            | 100 | 784-500-1   | 400      |
| cifar   | first 2,000 of cifar10_3k                    | vehicles / animals    | 60  | 3072-1000-1 | 400      |
| mnist10 | first 6,000 of t10k                          | ten digits            | 100 | 784-1000-10 | 400      |

As in the papers, the mean image of the members is subtracted from every input, the first layer starts small,
and only the first layer has a bias.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from skimage.data import lfw_subset
from torch import Tensor

from audit.demo import soft_margins, train
from audit.errors import DataError
from audit.inputs import InputFormat

DATA_DIR = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
CACHE = Path(tempfile.gettempdir()) / "model-audit-benchmark"

_VEHICLES = (0, 1, 8, 9)
"""CIFAR-10: airplane, automobile, ship, truck."""


@dataclass(frozen=True)
class Recipe:
    """How a target is made."""

    source: str
    """Images and labels: faces, mnist or cifar."""
    members: int
    controls: int
    hidden: int
    outputs: int
    learning_rate: float
    steps: int
    """At most; all stop earlier at their margin."""
    margin: float
    """Training stops when every member's margin is beyond it."""

    @property
    def classes(self) -> int:
        """Number of labels: two for one output."""
        return max(2, self.outputs)


RECIPES = {
    "faces": Recipe("faces", 40, 60, 1000, 1, learning_rate=0.002, steps=20_000, margin=300.0),
    "mnist": Recipe("mnist", 100, 400, 500, 1, learning_rate=0.002, steps=6_000, margin=100.0),
    "cifar": Recipe("cifar", 60, 400, 1000, 1, learning_rate=0.0015, steps=5_000, margin=100.0),
    "mnist10": Recipe("mnist", 100, 400, 1000, 10, learning_rate=0.004, steps=6_000, margin=100.0),
}


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint images of one data set, pixels (., h, w, c) uint8 or float in [0, 1]."""

    members: NDArray[np.generic]
    """Of the n training images."""
    labels: NDArray[np.int64]
    """(n,), balanced."""
    controls: NDArray[np.generic]
    """Of the k images that are not trained on."""


@dataclass(frozen=True, eq=False)
class Target:
    """A trained network with what it was trained on."""

    name: str
    """Key of `RECIPES`."""
    recipe: Recipe
    folder: Path
    """Holds model.safetensors, mean.npy, members.npz, controls.npz and training.json."""
    format: InputFormat
    """From pixels to network units."""
    members: NDArray[np.float32]
    """(n, d), network units."""
    controls: NDArray[np.float32]
    """(k, d), network units."""
    training: dict[str, float]
    """Seconds and smallest margin."""

    @property
    def checkpoint(self) -> Path:
        """The file under attack."""
        return self.folder / "model.safetensors"

    def layers(self) -> list[tuple[Tensor, Tensor | None]]:
        """Weight and bias of every layer, read from the checkpoint."""
        tensors = load_file(self.checkpoint)
        return [(tensors["fc1.weight"], tensors["fc1.bias"]), (tensors["fc2.weight"], None)]


def split(recipe: Recipe, data_dir: Path, seed: int) -> Split:
    """Draw members and controls.

    Raises
    ------
    DataError
        When the data set is not in `data_dir`.
    """
    generator = np.random.default_rng(seed)
    images, labels = _SOURCES[recipe.source](data_dir)
    if labels is None:
        order = generator.permutation(len(images))
        chosen, rest = order[: recipe.members], order[recipe.members :]
        drawn = generator.permutation(np.arange(recipe.members) % 2)
    else:
        labels = labels % 2 if recipe.source == "mnist" and recipe.classes == 2 else labels
        order = generator.permutation(len(images))
        each = recipe.members // recipe.classes
        chosen = np.concatenate([order[labels[order] == c][:each] for c in range(recipe.classes)])
        rest = order[~np.isin(order, chosen)]
        drawn = labels[chosen]
    return Split(images[chosen], drawn.astype(np.int64), images[rest[: recipe.controls]])


def prepare(name: str, *, data_dir: Path = DATA_DIR, cache: Path = CACHE, seed: int = 0) -> Target:
    """Train a target, or take it from the cache.

    Parameters
    ----------
    name:
        Key of `RECIPES`.
    data_dir:
        Holds t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz and cifar10_3k.npz. Faces need none of them.
    cache:
        Holds one folder per target, seed and version of this file.
    seed:
        Of split, labels and start.

    Raises
    ------
    DataError
        When the data set is missing.
    """
    recipe = RECIPES[name]
    # Of this file: whatever changes in it, cached targets are trained again.
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache / f"{name}-seed{seed}-{digest}"
    if not folder.exists():
        drawn = split(recipe, data_dir, seed)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            build(drawn, recipe, Path(unfinished) / "target", seed)
            os.replace(Path(unfinished) / "target", folder)
    return load(name, recipe, folder)


def build(drawn: Split, recipe: Recipe, folder: Path, seed: int) -> None:
    """Train on a split and write checkpoint, normalisation, images and record into a new folder."""
    folder.mkdir()
    mean = _flatten(drawn.members).mean(axis=0)
    fmt = _format(drawn.members, mean)
    inputs, labels = torch.from_numpy(fmt.to_network(_pixels(drawn.members))), torch.from_numpy(drawn.labels)
    began = time.perf_counter()
    tensors = train(
        inputs,
        labels,
        hidden=recipe.hidden,
        outputs=recipe.outputs,
        rate=recipe.learning_rate,
        most_steps=recipe.steps,
        margin=recipe.margin,
        seed=seed,
    )
    seconds = time.perf_counter() - began
    hidden = torch.relu(inputs @ tensors["fc1.weight"].T + tensors["fc1.bias"])
    smallest = float(soft_margins(hidden @ tensors["fc2.weight"].T, labels).min())
    save_file(tensors, folder / "model.safetensors", metadata={"activation": "relu"})
    np.save(folder / "mean.npy", fmt.mean)
    np.savez_compressed(folder / "members.npz", images=drawn.members, labels=drawn.labels)
    np.savez_compressed(folder / "controls.npz", images=drawn.controls)
    record = {"seconds": round(seconds, 1), "smallest_margin": round(smallest, 2)}
    (folder / "training.json").write_text(json.dumps({**record, "recipe": asdict(recipe)}, indent=2) + "\n")


def load(name: str, recipe: Recipe, folder: Path) -> Target:
    """Read what `build` wrote."""
    with np.load(folder / "members.npz") as members, np.load(folder / "controls.npz") as controls:
        images, others = members["images"], controls["images"]
    fmt = _format(images, np.load(folder / "mean.npy"))
    record = json.loads((folder / "training.json").read_text())
    del record["recipe"]
    return Target(
        name=name,
        recipe=recipe,
        folder=folder,
        format=fmt,
        members=fmt.to_network(_pixels(images)),
        controls=fmt.to_network(_pixels(others)),
        training=record,
    )


def _format(images: NDArray[np.generic], mean: NDArray[np.floating]) -> InputFormat:
    _, height, width, channels = images.shape
    return InputFormat((channels, height, width), mean.astype(np.float32), np.ones(mean.shape, np.float32))


def _pixels(images: NDArray[np.generic]) -> NDArray[np.float32]:
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    return np.asarray(images, dtype=np.float32) / np.float32(scale)


def _flatten(images: NDArray[np.generic]) -> NDArray[np.float32]:
    """Pixels (n, d), channel-first."""
    return _pixels(images).transpose(0, 3, 1, 2).reshape(len(images), -1)


def _faces(_: Path) -> tuple[NDArray[np.float32], None]:
    return lfw_subset()[:100, ..., None].astype(np.float32), None


def _mnist(data_dir: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with gzip.open(_existing(data_dir / "t10k-images-idx3-ubyte.gz")) as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(_existing(data_dir / "t10k-labels-idx1-ubyte.gz")) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images[:6000], labels[:6000].astype(np.int64)


def _cifar(data_dir: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with np.load(_existing(data_dir / "cifar10_3k.npz")) as archive:
        images, labels = archive["images"][:2000], archive["labels"][:2000]
    return images, np.isin(labels, _VEHICLES, invert=True).astype(np.int64)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            f"the benchmark needs {path.resolve()}, which does not exist",
            "pass the folder that holds it as --data-dir, or run --targets faces, which needs no data",
        )
    return path


_SOURCES: dict[str, Callable[[Path], tuple[NDArray[np.generic], NDArray[np.int64] | None]]] = {
    "faces": _faces,
    "mnist": _mnist,
    "cifar": _cifar,
}
