"""Samples of any source: a file, a folder or a named data set."""

from __future__ import annotations

from pathlib import Path

from audit.dataset.arrays import from_arrays
from audit.dataset.folders import from_folder
from audit.dataset.named import from_torchvision
from audit.dataset.samples import Found, Samples, check_samples
from audit.dataset.specs import refuse_unknown
from audit.dataset.tables import from_csv
from audit.dataset.tensors import from_tensors
from audit.errors import DataError
from audit.model.modality import Layout


def load_samples(
    spec: str,
    *,
    data_root: Path = Path("data"),
    shape: tuple[int, int, int] | None = None,
    download: bool = False,
    layout: Layout = "chw",
) -> Samples:
    """Read images, or rows of a table.

    Parameters
    ----------
    spec:
        What exists as a path is a path, whatever it looks like:

        - an `.npz` file with `images` (n, h, w[, c]), uint8 or float in [0, 1], or with `features` (n, d), and
          optional `labels` (n,); or an `.npy` file with either of the former;
        - a `.pt` or `.pth` file with a tensor, a pair (images, labels), or a dictionary with such names; images
          are (n, c, h, w), (n, h, w) or (n, h, w, c);
        - a `.csv` file with a header, numbers, and optional labels (class indices) in the column `label`;
        - a folder of images, flat or one sub-folder per label in sorted order;
        - a torchvision data set as `mnist:train[:500]`.
    data_root:
        Where torchvision data sets lie.
    shape:
        (c, h, w) if the user stated it: rows are then flattened images.
    download:
        Whether torchvision may fetch a named set.
    layout:
        How such images were flattened.

    Raises
    ------
    DataError
        When nothing usable is found.
    """
    path = Path(spec)
    try:
        if path.exists():
            return check_samples(spec, _from_path(spec, path, shape), shape, layout)
    except OSError as error:
        raise DataError(
            f"{error.filename or spec} cannot be read ({error.strerror or error})",
            "check the path, and that you may read it",
        ) from error
    refuse_unknown(spec)
    return check_samples(spec, from_torchvision(spec, data_root, download=download), shape, layout)


def _from_path(spec: str, path: Path, shape: tuple[int, int, int] | None) -> Found:
    if path.is_dir():
        return from_folder(spec, path)
    if path.suffix.lower() in (".pt", ".pth"):
        return from_tensors(spec, path, shape)
    return from_csv(spec, path) if path.suffix.lower() == ".csv" else from_arrays(spec, path, shape)
