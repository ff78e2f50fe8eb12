"""What an audit leaves on disk: the reports, and the reconstructions as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from audit.assembly import Audit
from audit.errors import OutputError
from audit.report.formats import FORMATS

CANDIDATES = "candidates.safetensors"
_PROBE = b" " * 65536


def prepare(folder: Path) -> None:
    """Create the run folder and make sure that it can be written, before time is spent on attacks.

    Raises
    ------
    OutputError
        If it cannot.
    """
    probe = folder / ".write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(_PROBE)
        probe.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error


def write(audit: Audit, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the reports and the reconstructions.

    Parameters
    ----------
    audit:
        A finished audit.
    folder:
        Run folder; made if missing.
    formats:
        Names in FORMATS.

    Returns
    -------
    list[Path]
        The reports, in the order of `formats`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in formats:
            path = folder / FORMATS[name].filename
            path.write_text(FORMATS[name].render(audit.report, audit.evidence), encoding="utf-8")
            paths.append(path)
        (folder / CANDIDATES).write_bytes(_tensors(audit.reconstructions))
    except OSError as error:
        raise _unwritable(folder, error) from error
    return paths


def _tensors(reconstructions: Mapping[str, NDArray[np.float32]]) -> bytes:
    contiguous = {name: np.ascontiguousarray(images) for name, images in reconstructions.items()}
    return save(contiguous, metadata={"layout": "(candidate, height, width, channel), pixels, not clipped"})


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the run folder {folder}: {error.strerror or error}",
        "choose another with --out, or make room",
    )
