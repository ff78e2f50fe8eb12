"""The networks under attack: small MLPs trained from seeds by `recipes.RECIPES`, and kept in a cache.

As in the papers, the mean image of the members is subtracted from every input.
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

from audit.errors import DataError
from audit.model.preprocessing import Preprocessing
from tests.benchmarks import training
from tests.benchmarks.recipes import RECIPES, Recipe
from tests.benchmarks.training import Data, Layers, train_network

DATA_DIR = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
CACHE = Path(tempfile.gettempdir()) / "model-audit-benchmark"

_VEHICLES = (0, 1, 8, 9)
"""CIFAR-10: airplane, automobile, ship, truck."""


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint images of one data set, pixels (., h, w, c) uint8 or float in [0, 1]."""

    members: NDArray[np.generic]
    """Of the n training images."""
    labels: NDArray[np.int64]
    """(n,), balanced."""
    controls: NDArray[np.generic]
    """Of the k images that are not trained on."""
    public: NDArray[np.generic]
    """Of the p images that the network is pretrained on; p is 0 for most recipes."""
    public_labels: NDArray[np.int64]
    """(p,)"""


@dataclass(frozen=True, eq=False)
class Target:
    """A trained network with what it was trained on."""

    name: str
    """Key of `RECIPES`."""
    recipe: Recipe
    folder: Path
    """Holds model.safetensors, perhaps initial.safetensors, mean.npy, members.npz, controls.npz, training.json."""
    format: Preprocessing
    """From pixels to network units."""
    members: NDArray[np.float32]
    """(n, d), network units."""
    controls: NDArray[np.float32]
    """(k, d), network units."""
    labels: NDArray[np.int64]
    """(n,), of the members."""
    training: dict[str, float]
    """Seconds, and what `training.measure` says of the result."""

    @property
    def checkpoint(self) -> Path:
        """The file under attack."""
        return self.folder / "model.safetensors"

    @property
    def initial(self) -> Path | None:
        """The weights that training started from, with the same tensor names, if the attacker knows them."""
        path = self.folder / "initial.safetensors"
        return path if path.exists() else None

    @property
    def loss(self) -> str:
        """What it was trained with: ce (cross-entropy, logistic for one output) or mse (labels -1 and 1)."""
        return self.recipe.loss

    @property
    def activation(self) -> str:
        """Of the hidden layers."""
        return self.recipe.activation

    def layers(self) -> Layers:
        """Weight and bias of every layer, read from the checkpoint."""
        return training.layers(load_file(self.checkpoint))

    def initial_layers(self) -> Layers | None:
        """The same before training, if the attacker knows it."""
        return None if self.initial is None else training.layers(load_file(self.initial))


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
        labels = np.empty(len(images), np.int64)
        labels[chosen] = generator.permutation(np.arange(recipe.members) % 2)
    else:
        labels = labels % 2 if recipe.source == "mnist" and recipe.classes == 2 else labels
        order = generator.permutation(len(images))
        each = recipe.members // recipe.classes
        chosen = np.concatenate([order[labels[order] == c][:each] for c in range(recipe.classes)])
        rest = order[~np.isin(order, chosen)]
    controls, public = np.split(rest[: recipe.controls + recipe.public], [recipe.controls])
    return Split(images[chosen], labels[chosen], images[controls], images[public], labels[public])


def prepare(name: str, *, data_dir: Path = DATA_DIR, cache: Path = CACHE, seed: int = 0) -> Target:
    """Train a target, or take it from the cache.

    Parameters
    ----------
    name:
        Key of `RECIPES`.
    data_dir:
        Holds t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz and cifar10_3k.npz. Faces need none of them.
    cache:
        Holds one folder per target, seed and version of recipe and code.
    seed:
        Of split, labels and start.

    Raises
    ------
    DataError
        When the data set is missing.
    """
    recipe = RECIPES[name]
    # Of recipe and code: when either changes, cached targets are trained again.
    code = b"".join(Path(file).read_bytes() for file in (training.__file__, __file__))
    digest = hashlib.sha256(repr(recipe).encode() + code).hexdigest()[:12]
    folder = cache / f"{name}-seed{seed}-{digest}"
    if not folder.exists():
        drawn = split(recipe, data_dir, seed)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            build(drawn, recipe, Path(unfinished) / "target", seed)
            os.replace(Path(unfinished) / "target", folder)
    return load(name, recipe, folder)


def build(drawn: Split, recipe: Recipe, folder: Path, seed: int) -> None:
    """Train on a split and write checkpoints, normalisation, images and record into a new folder."""
    folder.mkdir()
    fmt = _format(drawn.members, _flatten(drawn.members).mean(axis=0))
    data = Data(
        torch.from_numpy(fmt.normalise(_pixels(drawn.members))),
        torch.from_numpy(drawn.labels),
        torch.from_numpy(fmt.normalise(_pixels(drawn.public))),
        torch.from_numpy(drawn.public_labels),
    )
    began = time.perf_counter()
    trained = train_network(recipe, data, seed)
    record = {
        "seconds": round(time.perf_counter() - began, 1),
        **training.measure(recipe, trained.final, data),
    }
    metadata = {"activation": recipe.activation}
    save_file(trained.final, folder / "model.safetensors", metadata=metadata)
    if trained.initial is not None:
        save_file(trained.initial, folder / "initial.safetensors", metadata=metadata)
    np.save(folder / "mean.npy", fmt.mean)
    np.savez_compressed(folder / "members.npz", images=drawn.members, labels=drawn.labels)
    np.savez_compressed(folder / "controls.npz", images=drawn.controls)
    (folder / "training.json").write_text(json.dumps({**record, "recipe": asdict(recipe)}, indent=2) + "\n")


def load(name: str, recipe: Recipe, folder: Path) -> Target:
    """Read what `build` wrote."""
    with np.load(folder / "members.npz") as members, np.load(folder / "controls.npz") as controls:
        images, labels, others = members["images"], members["labels"], controls["images"]
    fmt = _format(images, np.load(folder / "mean.npy"))
    record = json.loads((folder / "training.json").read_text())
    del record["recipe"]
    return Target(
        name=name,
        recipe=recipe,
        folder=folder,
        format=fmt,
        members=fmt.normalise(_pixels(images)),
        controls=fmt.normalise(_pixels(others)),
        labels=labels,
        training=record,
    )


def _format(images: NDArray[np.generic], mean: NDArray[np.floating]) -> Preprocessing:
    _, height, width, channels = images.shape
    return Preprocessing((channels, height, width), mean.astype(np.float32), np.ones(mean.shape, np.float32))


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
