"""Commands that only show something: `inspect` and `attacks`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from audit.cli.options import takes
from audit.cli.shell import errors_in_one_line, say
from audit.errors import UsageError
from audit.request.precheck import precheck
from audit.request.request import ModelOptions, Request, SampleOptions, VerdictOptions, options

_INSPECTION = 10.0
"""Seconds for what `inspect` measures at members."""
_THRESHOLD = [one for one in options(VerdictOptions) if one.name == "threshold"]


@takes([*options(ModelOptions, SampleOptions), *_THRESHOLD])
def inspect(
    format: Annotated[
        str, typer.Option(metavar="NAME", help="How to print what was found: table or json.")
    ] = "table",
    **given: Any,
) -> None:
    """Show the network a checkpoint holds, which attacks apply to it or why not, and its singular values.

    With --data also how much each member contributes to the weights and how much of it any reconstruction could
    show, and with --controls whether members can be distinguished from non-members. Nothing is attacked.
    """
    with errors_in_one_line():
        if format not in ("table", "json"):
            raise UsageError(f"unknown format {format!r} in --format", "use table or json")
        request = Request.of(**given)
        precheck(request)
        from audit.budget import Budget
        from audit.cli.inspection_table import lines
        from audit.pipeline.inspection import inspect

        found = inspect(request, Budget(_INSPECTION, time.monotonic))
        say(found.model_dump_json(indent=2) if format == "json" else "\n".join(lines(found)))


def attacks() -> None:
    """List the attacks: what each is, what it needs, and the papers that published it."""
    from audit.attacks import BATTERY
    from audit.render.terminal import grid

    rows = [(a.id, f"{a.title}.\nNeeds: {a.requires}.\nSource: {a.papers}") for a in BATTERY]
    say("\n".join(grid(rows)))
