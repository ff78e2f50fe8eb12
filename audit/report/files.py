"""The files of a run folder, by their names."""

from __future__ import annotations

from pathlib import Path

from audit.errors import RunError

REPORT, EVIDENCE, CANDIDATES = "report.json", "evidence.safetensors", "candidates.safetensors"
"""The report as data, the images that reports show, and all reconstructions."""

MARKS: dict[str, tuple[str, bytes]] = {
    "html": ("report.html", b": model audit of "),
    "markdown": ("report.md", b"# Model audit of "),
    "json": (REPORT, b'"name": "model-audit"'),
    "sarif": ("report.sarif", b'"name": "model-audit"'),
    "junit": ("report.junit.xml", b'name="model-audit"'),
    "summary": ("report.summary.md", b"## Model audit: "),
    "evidence": (EVIDENCE, b'"model-audit evidence"'),
    "candidates": (CANDIDATES, b'"layout":"(candidate, '),
}
"""What a run may leave: the names of its files in a run folder, and what stands near the beginning of each."""
BEGINNING = 2048
"""Bytes within which that is."""


def is_ours(content: bytes, kind: str) -> bool:
    """Whether a file is what a run leaves of a kind, a key of `MARKS`: others may have files of the same name."""
    return MARKS[kind][1] in content[:BEGINNING]


def report_file(run: Path) -> Path:
    """Find the report as data of an earlier run.

    Parameters
    ----------
    run:
        A run folder with `report.json`, or such a file by any name.

    Raises
    ------
    RunError
        When there is none.
    """
    file = run / REPORT if run.is_dir() else run
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if file == run:
            raise RunError(f"{run} does not exist", "give a run folder, or the report.json in it") from error
        raise RunError(
            f"{run} has no {REPORT}", "give the folder of a run whose --format had json, as the default has"
        ) from error
    except OSError:  # whoever reads it says why it cannot be read
        return file
    return file
