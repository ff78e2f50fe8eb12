"""What an audit leaves on disk: the reports, and the reconstructions and the pictures of a report as tensors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from audit.errors import OutputError
from audit.render.formats import FORMATS
from audit.report import evidence_file as kept
from audit.report.evidence import Evidence, Trajectory
from audit.report.files import CANDIDATES, EVIDENCE
from audit.report.schema import Report

if TYPE_CHECKING:
    from audit.report.evidence import Audit

_IMAGES = "(candidate, height, width, channel), pixels, not clipped"
_PROBE = b" " * 65536
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


def prepare(folder: Path, elsewhere: Iterable[Path] = ()) -> None:
    """Create the run folder and make sure that all can be written, before time is spent on attacks.

    Parameters
    ----------
    folder:
        Run folder.
    elsewhere:
        Files that reports will be written to besides; what folders they lack are made.

    Raises
    ------
    OutputError
        If something cannot be written. Nothing is left behind then.
    """
    made: list[Path] = []
    places = [(folder / ".write-test", folder, "--out"), *((path, path, "--format") for path in elsewhere)]
    for path, named, option in places:
        try:
            made += [parent for parent in path.parents if not parent.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            _probe(path)
        except OSError as error:
            for parent in sorted(made, reverse=True):
                with suppress(OSError):
                    parent.rmdir()
            raise _unwritable(named, error, option) from error


def refuse_clashes(folder: Path, elsewhere: Mapping[str, Path], inputs: Iterable[Path] = ()) -> None:
    """Make sure that no report elsewhere replaces an input, or another file of the run folder.

    Parameters
    ----------
    folder, elsewhere:
        As for `write_reports`.
    inputs:
        Files that the audit reads, an earlier report among them.

    Raises
    ------
    OutputError
        Names the file.
    """
    read = {os.path.realpath(path) for path in inputs}
    for name, path in elsewhere.items():
        if os.path.realpath(path) in read:
            raise OutputError(f"{path} would be replaced, and is what this audit reads", "change --format")
        others = {CANDIDATES, EVIDENCE, *(format.filename for format in FORMATS.values())}
        others -= {FORMATS[name].filename}
        if os.path.realpath(path) in {os.path.realpath(folder / other) for other in others}:
            raise OutputError(
                f"--format {name}={path}: that file of the run folder holds something else", "choose another"
            )


def prepare_redacted(folder: Path, evidence: Path) -> None:
    """Make sure that the images kept apart are not in the run folder, and that nobody else can read them.

    Raises
    ------
    OutputError
        If the run folder is also the one for evidence, or if others can read the latter.
    """
    if os.path.realpath(evidence) == os.path.realpath(folder):
        raise OutputError(f"--evidence {evidence} is the run folder, which shows no images", "choose another")
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
        raise _unwritable(evidence, error, "--evidence") from error


def write(
    audit: Audit,
    folder: Path,
    formats: Sequence[str],
    elsewhere: Mapping[str, Path] | None = None,
    private: Path | None = None,
) -> list[Path]:
    """Write all that an audit leaves. Every file is written whole or not at all.

    A redacted audit leaves no images, unless there is a private folder: that gets the reconstructions and a page
    with all pictures.

    Parameters
    ----------
    audit:
        A finished audit.
    folder:
        Run folder; made if missing.
    formats, elsewhere:
        As for `write_reports`.
    private:
        For what a redacted report withholds, as `prepare_redacted` left it; None keeps none of it.

    Returns
    -------
    list[Path]
        The reports, in the order of `formats`.

    Raises
    ------
    OutputError
        If a file cannot be written. The run folder is complete, as far as it can be, before anything else is tried.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not audit.report.provenance.redacted:
            _write(folder / CANDIDATES, _tensors(audit.reconstructions))
            _write(folder / EVIDENCE, kept.to_bytes(audit.report, audit.evidence, audit.trajectories))
        elif private is not None:
            _write_private(audit, private)
    except OSError as error:
        raise _unwritable(folder, error, "--out") from error
    return write_reports(audit.report, audit.evidence, audit.trajectories, folder, formats, elsewhere)


def write_reports(
    report: Report,
    evidence: Sequence[Evidence],
    trajectories: Sequence[Trajectory],
    folder: Path,
    formats: Sequence[str],
    elsewhere: Mapping[str, Path] | None = None,
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
    elsewhere:
        Where a report goes instead of the run folder, by format. Those come last.

    Returns
    -------
    list[Path]
        The reports, in the order of `formats`.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    others = elsewhere or {}
    paths = {name: others.get(name, folder / FORMATS[name].filename) for name in formats}
    for name in sorted(formats, key=lambda name: name in others):
        content = FORMATS[name].render(report, evidence, trajectories).encode()
        try:
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            _write(paths[name], content)
        except OSError as error:
            named, option = (paths[name], "--format") if name in others else (folder, "--out")
            raise _unwritable(named, error, option) from error
    return [paths[name] for name in formats]


def _write_private(audit: Audit, folder: Path) -> None:
    provenance = audit.report.provenance.model_copy(update={"redacted": False})
    report = audit.report.model_copy(update={"provenance": provenance})
    page = FORMATS["html"].render(report, audit.evidence, audit.trajectories)
    _write(folder / FORMATS["html"].filename, page.encode(), _PRIVATE_FILE)
    _write(folder / CANDIDATES, _tensors(audit.reconstructions), _PRIVATE_FILE)


def _probe(path: Path) -> None:
    """Write and remove what a report is written as before it gets its name."""
    _refuse_others(path)
    probe = _partial(path)
    try:
        probe.write_bytes(_PROBE)
    finally:
        probe.unlink(missing_ok=True)


def _refuse_others(path: Path) -> None:
    """A file takes the place of what has its name, and a folder or a device must keep it."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "it is there already, and is no file")


def _write(path: Path, content: bytes, mode: int = 0o666) -> None:
    _refuse_others(path)
    partial = _partial(path)
    try:
        partial.touch(mode)
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tensors(reconstructions: Mapping[str, NDArray[np.float32]]) -> bytes:
    contiguous = {name: np.ascontiguousarray(images) for name, images in reconstructions.items()}
    rows = any(values.ndim == 2 for values in reconstructions.values())
    layout = "(candidate, column), units of the table" if rows else _IMAGES
    return save(contiguous, metadata={"layout": layout})


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _unwritable(path: Path, error: OSError, option: str) -> OutputError:
    what = "run folder" if option == "--out" else "report"
    return OutputError(
        f"cannot write the {what} {path}: {error.strerror or error}",
        f"choose another with {option}, or make room",
    )
