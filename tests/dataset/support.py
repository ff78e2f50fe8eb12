"""What tests of data share: small sources of every kind, and the complaint that one of them gets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from audit.dataset.load import load_samples
from audit.dataset.samples import Samples
from audit.errors import DataError


def pixels(count: int = 6, shape: tuple[int, ...] = (5, 4), seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def archive(folder: Path, name: str = "set.npz", **arrays: Any) -> str:
    np.savez(folder / name, **arrays)
    return str(folder / name)


def picture(path: Path, array: NDArray[Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def saved(folder: Path, content: object, name: str = "set.pt") -> str:
    torch.save(content, folder / name)
    return str(folder / name)


def text(folder: Path, *lines: str, name: str = "set.csv") -> str:
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


def image_set(
    images: NDArray[Any], labels: NDArray[np.int64] | None = None, source: str = "set.npz"
) -> Samples:
    array = np.asarray(images, dtype=np.float32)
    return Samples(array, labels, tuple(map(str, range(len(array)))), source, "0" * 64)


def complaint(spec: str | Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_samples(str(spec), **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def forbid(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Make a function refuse one path, as the file system does for users other than root."""

    def guarded(path: object, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, (str, Path)) and Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return function(path, *arguments, **options)

    return guarded
