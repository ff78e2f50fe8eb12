"""A run folder that is used again starts clean: no verdict of an earlier run may be taken for that of this one.

Only files that a run wrote are removed, whatever else lies in the folder. They are known by how they begin.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from audit.errors import OutputError
from audit.report.files import BEGINNING, MARKS, is_ours


def remove_earlier(folder: Path, inputs: Iterable[Path]) -> None:
    """Remove what an earlier run left in a run folder.

    Parameters
    ----------
    folder:
        Run folder; may be missing.
    inputs:
        Files that the audit reads, an earlier report among them.

    Raises
    ------
    OutputError
        Names the file that cannot be removed, that is one of the inputs (nothing is removed then), or that has the
        name of a report and is none.
    """
    read = {os.path.realpath(path) for path in inputs}
    places = [(folder / filename, name) for name, (filename, _) in MARKS.items()]
    there = [(path, name) for path, name in places if os.path.isfile(path)]
    for path, _ in there:
        if os.path.realpath(path) in read:
            raise OutputError(f"{path} would be replaced, and is what this audit reads", "change --out")
    foreign = [path for path, name in there if not _removed(path, name)]
    if foreign:
        raise OutputError(
            f"{foreign[0]} was not written by model-audit, and is not replaced", "choose another --out"
        )


def remove_elsewhere(elsewhere: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """Remove reports of an earlier run that have paths of their own, by format; other files there stay.

    Raises
    ------
    OutputError
        Names the report that cannot be removed.
    """
    read = {os.path.realpath(path) for path in inputs}
    for name, path in elsewhere.items():
        if os.path.isfile(path) and os.path.realpath(path) not in read:
            _removed(path, name)


def _removed(path: Path, kind: str) -> bool:
    """Whether it was a file of an earlier run, and is gone."""
    try:
        with path.open("rb") as file:
            ours = is_ours(file.read(BEGINNING), kind)
        if ours:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} of an earlier run cannot be removed: {error.strerror or error}", "choose another --out"
        ) from error
    return ours
