"""Commands that only show something: `inspect` and `attacks`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from audit.cli.options import (
    Activation,
    Checkpoint,
    Controls,
    DataRoot,
    Download,
    Gradient,
    GradientKind,
    Initial,
    InputShape,
    LearningRate,
    Mean,
    Std,
)
from audit.cli.shell import errors_in_one_line, say
from audit.errors import UsageError

_INSPECTION = 10.0
"""Seconds for what `inspect` measures at members."""


def inspect(
    checkpoint: Checkpoint,
    initial: Initial = None,
    gradient: Gradient = None,
    gradient_kind: GradientKind = "gradient",
    learning_rate: LearningRate = None,
    activation: Activation = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="MEMBERS", help="The training images, to measure what is known of them."),
    ] = None,
    controls: Controls = None,
    input_shape: InputShape = None,
    mean: Mean = None,
    std: Std = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SSIM", help="That counts as recovered; default: 0.4.")
    ] = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
    format: Annotated[str, typer.Option(metavar="NAME", help="table or json.")] = "table",
) -> None:
    """Show the network a checkpoint holds, which attacks apply to it or why not, and its singular values.

    With --data also how much the weights lean on the training images, how many of these any reconstruction could
    show, and with --controls whether they can be told from other images. Nothing is attacked.
    """
    with errors_in_one_line():
        if format not in ("table", "json"):
            raise UsageError(f"unknown format {format!r} in --format", "use table or json")
        from audit.budget import Budget
        from audit.cli.inspection_table import lines
        from audit.request.request import Request
        from audit.run.inspection import inspect

        request = Request(
            checkpoint=checkpoint,
            data=data,
            controls=controls,
            initial=initial,
            gradient=gradient,
            gradient_kind=gradient_kind,
            learning_rate=learning_rate,
            activation=activation,
            input_shape=input_shape,
            mean=mean,
            std=std,
            threshold=threshold,
            data_root=data_root,
            download=download,
        )
        found = inspect(request, Budget(_INSPECTION, time.monotonic))
        say(found.model_dump_json(indent=2) if format == "json" else "\n".join(lines(found)))


def attacks() -> None:
    """List the battery: what each attack is, what it needs, and where it comes from."""
    from audit.attacks import BATTERY
    from audit.render.terminal import grid

    rows = [(a.id, f"{a.title}.\nNeeds: {a.requires}.\nSource: {a.papers}") for a in BATTERY]
    say("\n".join(grid(rows)))
