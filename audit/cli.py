"""The command line: parse, call the pipeline, print, exit. Everything heavy is imported when it is needed."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

import audit
from audit.errors import AuditError, UsageError

if TYPE_CHECKING:
    from audit.assembly import Audit
    from audit.request import Request

EXIT_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
UNUSABLE, BROKEN_OFF = 2, 4

app = typer.Typer(
    name="model-audit",
    help="How many training samples can be reconstructed from this model's weights?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"model-audit {audit.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Count the training samples that can be reconstructed from a model's weights."""


@app.command()
def scan(
    checkpoint: Annotated[Path, typer.Argument(help="Weights: .safetensors, .pt or .pth.")],
    data: Annotated[str, typer.Option(help="Members: .npz, a folder, or e.g. mnist:train[:500].")],
    controls: Annotated[
        str | None, typer.Option(help="Images the model never saw, in the same forms.")
    ] = None,
    policy: Annotated[str, typer.Option(help="release, strict, research, or a file.")] = "release",
    budget: Annotated[str, typer.Option(help="Time for the audit: 60s, 10m, 2h.")] = "2m",
    attacks: Annotated[
        str | None, typer.Option(help="Comma list of attacks; default: all that apply.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="Default: as stated in the checkpoint, else relu.")
    ] = None,
    input_shape: Annotated[str | None, typer.Option(help="As 1,28,28; default: the members' shape.")] = None,
    mean: Annotated[
        str | None, typer.Option(help="The model's input mean: number, one per channel, or .npy.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="The model's input deviation, likewise.")] = None,
    threshold: Annotated[float | None, typer.Option(help="SSIM that counts as recovered.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the attacks' random starts.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; default: reports/<checkpoint>-<time>.")
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option(help="html, markdown, json; repeat or use commas.")
    ] = None,
    data_root: Annotated[Path, typer.Option(help="Where named data sets lie.")] = Path("data"),
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show progress on stderr.")
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the verdict and the report's path only.")
    ] = False,
) -> None:
    """Audit a checkpoint. Exit codes: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 2 unusable input, 4 broken off."""
    with _errors_in_one_line():
        from audit.request import Request

        request = Request(
            checkpoint=checkpoint,
            data=data,
            controls=controls,
            policy=policy,
            budget=parse_budget(budget),
            attacks=None if attacks is None else tuple(_words(attacks)),
            activation=activation,
            input_shape=input_shape,
            mean=mean,
            std=std,
            threshold=threshold,
            device=device,
            seed=seed,
            data_root=data_root,
            command=shlex.join(["model-audit", *sys.argv[1:]]),
        )
        folder = out or _default_folder(checkpoint.stem)
        finished = _run(request, folder, _formats(format), progress=progress and not quiet)
        _print_outcome(finished, folder, quiet=quiet)
    raise typer.Exit(_exit_code(finished))


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option(help="Run folder; default: reports/demo-<time>.")] = None,
    budget: Annotated[str, typer.Option(help="Time for the scan.")] = "60s",
    seed: Annotated[int, typer.Option(help="Of training and attacks.")] = 0,
) -> None:
    """Train a model that leaks the faces it learned, scan it, and show the faces that come back."""
    with _errors_in_one_line():
        seconds, folder, stderr = parse_budget(budget), out or _default_folder("demo"), Console(stderr=True)
        stderr.print("training a 625-1000-1 network on 40 faces with random labels ...", highlight=False)
        from audit.demo import prepare
        from audit.request import Request

        files = prepare(folder, seed)
        options = ["--data", str(files.members), "--controls", str(files.controls), "--mean", str(files.mean)]
        options += ["--budget", budget, "--seed", str(seed)]
        command = shlex.join(["model-audit", "scan", str(files.checkpoint), *options])
        request = Request(
            checkpoint=files.checkpoint,
            data=str(files.members),
            controls=str(files.controls),
            mean=str(files.mean),
            budget=seconds,
            seed=seed,
            command=command,
        )
        finished = _run(request, folder, _formats(None), progress=True)
        _print_outcome(finished, folder, quiet=False)
        typer.echo(
            f"\nThis was a demonstration; a scan that ends like this exits with {_exit_code(finished)}. By hand:"
        )
        typer.echo(f"  {command}")
    raise typer.Exit(0 if finished.report.provenance.complete else BROKEN_OFF)


def main() -> None:
    """Entry point of the console script."""
    app()


def parse_budget(text: str) -> float:
    """Seconds in `60s`, `10m`, `2h` or a plain number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if not found or float(found[1]) == 0:
        raise UsageError(f"--budget is {text!r}", "give a positive time such as 60s, 10m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _formats(given: list[str] | None) -> list[str]:
    from audit.report.formats import FORMATS

    names = [name for text in given or [",".join(FORMATS)] for name in _words(text)]
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"unknown format {name!r} in --format", f"the formats are: {', '.join(FORMATS)}")
    if not names:
        raise UsageError("--format names no format", f"the formats are: {', '.join(FORMATS)}")
    return list(dict.fromkeys(names))


def _default_folder(name: str) -> Path:
    return Path("reports") / f"{name}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"


def _run(request: Request, folder: Path, formats: list[str], *, progress: bool) -> Audit:
    """Check, attack, write. What cannot be used ends here, before anything is written."""
    from audit import run_folder
    from audit.pipeline import run
    from audit.progress import listener
    from audit.request import check

    inputs = check(request)
    run_folder.prepare(folder)
    with _interrupts() as stop:
        finished = run(request, inputs, listener(Console(stderr=True), show=progress), stop.is_set)
    try:
        run_folder.write(finished, folder, formats)
    except AuditError as error:
        _fail(error, BROKEN_OFF)
    return finished


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a request to finish up; a second one kills as usual."""
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_outcome(finished: Audit, folder: Path, *, quiet: bool) -> None:
    report = finished.report
    typer.echo(f"{report.verdict}: {report.reasons[0]}")
    if not quiet:
        for reason in [*report.reasons[1:], *(f"note: {note}" for note in report.provenance.notes)]:
            typer.echo(f"  {reason}")
    typer.echo(f"report: {folder}")


def _exit_code(finished: Audit) -> int:
    report = finished.report
    return EXIT_CODES[report.verdict] if report.provenance.complete else BROKEN_OFF


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except AuditError as error:
        _fail(error, UNUSABLE)
    except KeyboardInterrupt:
        typer.echo("model-audit: broken off before anything was finished", err=True)
        raise typer.Exit(BROKEN_OFF) from None


def _fail(error: AuditError, code: int) -> NoReturn:
    line = "".join(c if c.isprintable() else "?" for c in str(error))
    typer.echo(f"model-audit: {line}", err=True)
    raise typer.Exit(code)
