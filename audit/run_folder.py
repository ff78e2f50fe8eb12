"""What an audit leaves on disk: the reports, and the reconstructions and the pictures of a report as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from audit.errors import OutputError
from audit.report import pictures
from audit.report.evidence import Evidence, Trajectory
from audit.report.formats import FORMATS
from audit.report.model import Report

if TYPE_CHECKING:
    from audit.assembly import Audit

CANDIDATES = "candidates.safetensors"
EVIDENCE = "evidence.safetensors"
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
    """Write all that an audit leaves. Every file is written whole or not at all.

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
    paths = write_reports(audit.report, audit.evidence, audit.trajectories, folder, formats)
    try:
        _write(folder / CANDIDATES, _tensors(audit.reconstructions))
        if not audit.report.provenance.redacted:
            _write(folder / EVIDENCE, pictures.to_bytes(audit.report, audit.evidence, audit.trajectories))
    except OSError as error:
        raise _unwritable(folder, error) from error
    return paths


def write_reports(
    report: Report,
    evidence: Sequence[Evidence],
    trajectories: Sequence[Trajectory],
    folder: Path,
    formats: Sequence[str],
) -> list[Path]:
    """Write the reports of a run. Every file is written whole or not at all.

    Parameters
    ----------
    report, evidence, trajectories:
        What is said, and the pictures in it.
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
            content = FORMATS[name].render(report, evidence, trajectories)
            _write(path, content.encode())
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
    return save(contiguous, metadata={"layout": "(candidate, height, width, channel), pixels, not clipped"})


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the run folder {folder}: {error.strerror or error}",
        "choose another with --out, or make room",
    )
