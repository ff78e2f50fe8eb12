"""What an audit leaves on disk: the reports, and the reconstructions as tensors."""

from __future__ import annotations

import stat
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
_PROBE = b" " * 65536
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


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


def prepare_redacted(folder: Path, evidence: Path | None) -> None:
    """Make sure that no images lie in the run folder, and that nobody else can read those kept apart.

    Raises
    ------
    OutputError
        If an earlier run left images in the run folder, or if others can read the folder for evidence.
    """
    if (folder / CANDIDATES).exists():
        raise OutputError(
            f"--redact, but {folder} holds the {CANDIDATES} of an earlier run",
            "choose another folder with --out, or remove its files",
        )
    if evidence is None:
        return
    try:
        evidence.parent.mkdir(parents=True, exist_ok=True)
        evidence.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        mode = stat.S_IMODE(evidence.stat().st_mode)
        if mode & 0o077:
            raise OutputError(
                f"--evidence {evidence}: others have access to this folder (mode {mode:o})",
                "choose a new one, or run chmod 700 on it",
            )
        probe = evidence / ".write-test"
        _write(probe, _PROBE, _PRIVATE_FILE)
        probe.unlink()
    except OSError as error:
        raise _unwritable(evidence, error) from error


def write(audit: Audit, folder: Path, formats: Sequence[str], evidence: Path | None = None) -> list[Path]:
    """Write the reports and the reconstructions. Every file is written whole or not at all.

    A redacted audit leaves no reconstructions, unless there is a folder for evidence: that gets them and a page
    with all pictures.

    Parameters
    ----------
    audit:
        A finished audit.
    folder:
        Run folder; made if missing.
    formats:
        Names in FORMATS.
    evidence:
        For what a redacted report withholds, as `prepare_redacted` left it; None keeps none of it.

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
        if not audit.report.provenance.redacted:
            _write(folder / CANDIDATES, _tensors(audit.reconstructions))
        elif evidence is not None:
            _write_evidence(audit, evidence)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return paths


def _write_evidence(audit: Audit, folder: Path) -> None:
    provenance = audit.report.provenance.model_copy(update={"redacted": False})
    report = audit.report.model_copy(update={"provenance": provenance})
    page = FORMATS["html"].render(report, audit.evidence, audit.trajectories)
    _write(folder / FORMATS["html"].filename, page.encode(), _PRIVATE_FILE)
    _write(folder / CANDIDATES, _tensors(audit.reconstructions), _PRIVATE_FILE)


def _write(path: Path, content: bytes, mode: int = 0o666) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.touch(mode)
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
