"""Data sets of torchvision, by name."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from audit.dataset.samples import Found
from audit.dataset.specs import NAMED, SETS
from audit.errors import DataError

_FAILURES = (
    RuntimeError,
    OSError,
    ValueError,
    AssertionError,
    LookupError,
    EOFError,
    http.client.HTTPException,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What torchvision raises for files that are missing or damaged, and for downloads that fail."""


def from_torchvision(spec: str, data_root: Path, *, download: bool) -> Found:
    """Read a named data set from `data_root`, or fetch it there first if that is asked for."""
    named = NAMED.fullmatch(spec)
    if named is None:
        raise DataError(
            f"{spec} does not say which images of the data set to take",
            "write e.g. mnist:train, mnist:test or mnist:train[:500]",
        )
    name, split, start, stop = named.groups()
    try:
        datasets = importlib.import_module("torchvision.datasets")
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise DataError(
            f"{spec} needs torchvision, which cannot be imported ({error})",
            "install torch and torchvision together, in matching versions and from one source (a CPU-only torch "
            "needs the CPU-only torchvision), or give the images as an .npz",
        ) from error
    kind = getattr(datasets, SETS[name.lower()])
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the verdict
            data = kind(root=data_root, train=split.lower() == "train", download=download)
    except _FAILURES as error:
        raise _missing(spec, data_root, error, download=download) from error
    rows = range(len(data.data))[int(start) if start else None : int(stop) if stop else None]
    part = slice(rows.start, rows.stop)
    ids = tuple(f"{split.lower()}/{row}" for row in rows)
    return Found(np.asarray(data.data)[part], np.asarray(data.targets)[part], ids)


def _missing(spec: str, data_root: Path, error: Exception, *, download: bool) -> DataError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    reason = first.partition(". You can use download=True")[0]
    if download:
        return DataError(
            f"{spec} could not be downloaded to {data_root.resolve()} ({reason})",
            "check the connection and the folder, or put the files there yourself",
        )
    return DataError(
        f"{spec} is missing or damaged under {data_root.resolve()} ({reason})",
        "pass --download to fetch it, or say with --data-root where it lies",
    )
