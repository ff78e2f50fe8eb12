"""The formats a report can be written in, by the name given to `--format`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.render import html, json, junit, markdown, sarif, summary
from audit.report.evidence import Evidence, Trajectory
from audit.report.schema import Report


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
    "sarif": Format("report.sarif", sarif.render),
    "junit": Format("report.junit.xml", junit.render),
    "summary": Format("report.summary.md", summary.render),
}
"""Every format: the first three are for readers, the others for the machinery of a build."""

DEFAULT = ("html", "markdown", "json")
"""Written unless others are asked for, in this order."""
