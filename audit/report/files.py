"""The files of a run folder, by their names."""

from __future__ import annotations

from pathlib import Path

from audit.errors import RunError

REPORT, EVIDENCE, CANDIDATES = "report.json", "evidence.safetensors", "candidates.safetensors"
"""The report as data, the images that reports show, and all reconstructions."""


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
