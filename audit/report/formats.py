"""The formats a report can be written in, by the name given to `--format`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.report import html, json, markdown
from audit.report.evidence import Evidence, Trajectory
from audit.report.model import Report


@dataclass(frozen=True)
class Format:
    """One way to write a report."""

    filename: str
    """Its name in the run folder."""
    render: Callable[[Report, Sequence[Evidence], Sequence[Trajectory]], str]
    """Pure: the same report and images give the same text."""


FORMATS: dict[str, Format] = {
    "html": Format("report.html", html.render),
    "markdown": Format("report.md", markdown.render),
    "json": Format("report.json", json.render),
}
"""Every format, in the order in which they are written by default."""
