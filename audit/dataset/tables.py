"""A table as text: comma-separated values under a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.dataset.samples import Found
from audit.errors import DataError

_LABEL = "label"
"""Name of the column with labels (class indices)."""
_LARGEST = float(np.finfo(np.float32).max)


def from_csv(spec: str, path: Path) -> Found:
    """Read numbers under a header that names the columns; one named `label` holds labels (class indices).

    Raises
    ------
    DataError
        Naming line and column of the first cell that is no number, or the first line of another length.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = _header(spec, next(reader, []))
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{spec} is not text in UTF-8 with commas ({error})", "write it as CSV again"
        ) from error
    if not lines:
        raise DataError(f"{spec} has a header and no rows", "give at least one row")
    table = np.array([list(_numbers(spec, header, line, cells)) for line, cells in lines])
    labels = None
    if _LABEL in header:
        place = header.index(_LABEL)
        labels, table = _labels(spec, lines, table[:, place]), np.delete(table, place, axis=1)
        header = [name for name in header if name != _LABEL]
    whole = bool((table == np.round(table)).all() and np.abs(table).max(initial=0.0) < 2**31)
    return Found(table.astype(np.int64) if whole else table, labels, columns=tuple(header))


def _header(spec: str, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    remedy = "begin the file with a line that names the columns"
    if not any(header):
        raise DataError(f"{spec} is empty, expected a header and rows of numbers", remedy)
    if all(_number(cell) is not None for cell in header):
        raise DataError(f"{spec} has no header: its first line is {','.join(header)[:40]}", remedy)
    if len(header) == 1 and ";" in header[0]:
        raise DataError(f"{spec} separates its columns by semicolons", "write it with commas")
    twice = [name for place, name in enumerate(header) if name in header[:place]]
    if twice:
        raise DataError(f"{spec} has two columns named {twice[0]!r}", "give every column its own name")
    if header == [_LABEL]:
        raise DataError(f"{spec} has labels and no other column", "add the columns that the network is given")
    return header


def _numbers(spec: str, header: list[str], line: int, cells: list[str]) -> Iterator[float]:
    if len(cells) != len(header):
        raise DataError(
            f"line {line} of {spec} has {len(cells)} cells, the header has {len(header)}", "repair that line"
        )
    for name, cell in zip(header, cells, strict=True):
        value = _number(cell)
        if value is None or not abs(value) < _LARGEST:
            what = f"is {cell.strip()[:40]!r}, expected a finite number" if cell.strip() else "is empty"
            raise DataError(
                f"line {line}, column {name!r} of {spec} {what}",
                "encode it as the network is given it, or leave the line or the column out",
            )
        yield value


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _labels(
    spec: str, lines: list[tuple[int, list[str]]], values: NDArray[np.float64]
) -> NDArray[np.int64] | NDArray[np.float64]:
    """Class indices, or what a regression was trained to give."""
    if (values != np.round(values)).any():
        return values
    wrong = np.flatnonzero(np.abs(values) > 2**31)
    if len(wrong):
        raise DataError(
            f"line {lines[wrong[0]][0]}, column {_LABEL!r} of {spec} is {values[wrong[0]]:g}, "
            f"expected a class index",
            "give every class an index, from 0",
        )
    return values.astype(np.int64)
