"""`report`: an earlier run, rendered again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.cli.completion import FORMATS, some_of
from audit.cli.options import elsewhere, formats
from audit.cli.shell import errors_in_one_line, say
from audit.errors import UsageError
from audit.request.request import options

_FORMAT = next(one.option for one in options() if one.name == "format")


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The run folder of an earlier scan.")],
    format: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B=PATH", autocompletion=some_of(*FORMATS), help=_FORMAT.plain),
    ] = None,
) -> None:
    """Write the reports of an earlier run again, from what it left in its folder. Nothing is attacked.

    Exit code 0 when they were written, whatever the verdict was.
    """
    with errors_in_one_line():
        from audit.report.files import report_file

        report_file(run)
        names, others = formats(format), elsewhere(format)
        from audit.pipeline.run_folder import prepare, refuse_clashes, write_reports
        from audit.request.earlier_run import read_pictures, read_report

        found = read_report(run)
        if not run.is_dir():
            raise UsageError(f"{run} is a file", "give the folder of a run")
        refuse_clashes(run, others)
        prepare(run, others.values())
        evidence, trajectories = read_pictures(run, found)
        paths = write_reports(found, evidence, trajectories, run, names, others)
        if not evidence and not found.provenance.redacted and found.summary.recovered:
            say("note: without pictures: evidence.safetensors is missing, or of another run", err=True)
        say("\n".join(f"report: {path}" for path in paths))
