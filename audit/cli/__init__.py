"""The command line: parse, call the pipeline, print, exit. Everything heavy is imported when it is needed."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from audit.cli.compare import compare
from audit.cli.docs import docs
from audit.cli.init import init
from audit.cli.inspect import attacks, inspect
from audit.cli.policies import policies
from audit.cli.report import report
from audit.cli.scan import demo, scan
from audit.cli.schemas import schema
from audit.cli.shell import EXIT_CODES, INTERRUPTED, UNUSABLE, complain, say
from audit.version import __version__

__all__ = ["EXIT_CODES", "app", "main"]

# typer re-exports BadParameter alone; the class of all mistakes on a command line is the one it is derived from.
_Mistake: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="model-audit",
    help="How many training samples can be reconstructed from this model's weights?",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes leave no room for words in a narrow terminal
)
app.command(short_help="Audit a checkpoint.")(scan)
app.command(short_help="Train a model that memorises faces, and scan it.")(demo)
app.command(short_help="Show what a checkpoint holds, and which attacks apply.")(inspect)
app.command(short_help="List the attacks.")(attacks)
app.command(short_help="Write the reports of an earlier run again.")(report)
app.command(short_help="Show what changed between two runs.")(compare)
app.command(short_help="Write an audit.yaml to edit and commit.")(init)
app.command(short_help="Print a JSON Schema.")(schema)
app.command(short_help="Show the documentation.")(docs)
app.add_typer(policies, name="policy", short_help="List, show and check policies.")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"model-audit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """How many training samples can be reconstructed from this model's weights?"""  # noqa: D400
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(UNUSABLE)


def main() -> NoReturn:
    """Entry point of the console script: every way to end has its exit code, and no mistake looks like FAIL."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(prog_name="model-audit", standalone_mode=False) or 0
    except _Mistake as mistake:
        complain(_explain(mistake))
        code = UNUSABLE
    except Exception:
        say(traceback.format_exc(), err=True)
        complain("internal error; please report the traceback above")
        code = INTERRUPTED
    sys.exit(code)


def _explain(mistake: Any) -> str:
    where = mistake.ctx.command_path if mistake.ctx else "model-audit"
    return f"{mistake.format_message().rstrip('.')} (see {where} --help)"
