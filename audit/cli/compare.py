"""`compare`: what changed between two runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from audit.cli.completion import COMPARISONS, one_of
from audit.cli.shell import errors_in_one_line, say
from audit.errors import OutputError, UsageError


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="The earlier run: its folder, or its report.json.")
    ],
    after: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="The later run: its folder, or its report.json.")
    ],
    format: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            autocompletion=one_of(*COMPARISONS),
            help="How to write the comparison: table, markdown, html or json.",
        ),
    ] = "table",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write; by default the terminal.")
    ] = None,
) -> None:
    """Show what changed between two runs, as before and after a mitigation.

    Exit code 0, whatever changed.
    """
    with errors_in_one_line():
        from audit.report.files import report_file

        runs = [report_file(path) for path in (before, after)]
        from audit.render.comparison_views import VIEWS
        from audit.report.comparison import compare
        from audit.request.earlier_run import read_report

        if format not in VIEWS:
            raise UsageError(f"unknown format {format!r} in --format", f"the formats are: {', '.join(VIEWS)}")
        text = VIEWS[format](compare(read_report(before), read_report(after)))
        if out is None:
            say(text.removesuffix("\n"))
        elif os.path.realpath(out) in map(os.path.realpath, runs):
            raise OutputError(f"{out} would be replaced, and is what is compared", "choose another --out")
        else:
            _write(out, text)
            say(f"comparison: {out}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", "choose another --out"
        ) from error
