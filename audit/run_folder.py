"""What an audit leaves on disk: the reports, and the reconstructions as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from audit.assembly import Audit
from audit.errors import OutputError
from audit.report.formats import FORMATS

CANDIDATES = "candidates.safetensors"
_IMAGES = "(candidate, height, width, channel), pixels, not clipped"
_PROBE = b" " * 65536


def prepare(folder: Path) -> None:
    """Create the run folder and make sure that it can be written, before time is spent on attacks.

    Raises
    ------
    OutputError
        If it cannot. Nothing is left behind then.
    """
    made, probe = not folder.exists(), folder / ".write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(probe, _PROBE)
        probe.unlink()
    except OSError as error:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise _unwritable(folder, error) from error


def write(audit: Audit, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the reports and the reconstructions. Every file is written whole or not at all.

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
    paths = [folder / FORMATS[name].filename for name in formats]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in zip(formats, paths, strict=True):
            content = FORMATS[name].render(audit.report, audit.evidence, audit.trajectories)
            _write(path, content.encode())
        _write(folder / CANDIDATES, _tensors(audit.reconstructions))
    except OSError as error:
        raise _unwritable(folder, error) from error
    return paths


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tensors(reconstructions: Mapping[str, NDArray[np.float32]]) -> bytes:
    contiguous = {name: np.ascontiguousarray(images) for name, images in reconstructions.items()}
    rows = any(values.ndim == 2 for values in reconstructions.values())
    layout = "(candidate, column), units of the table" if rows else _IMAGES
    return save(contiguous, metadata={"layout": layout})


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the run folder {folder}: {error.strerror or error}",
        "choose another with --out, or make room",
    )
