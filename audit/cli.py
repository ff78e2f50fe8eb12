"""The command line: parse, call the pipeline, print, exit. Everything heavy is imported when it is needed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import audit
from audit.errors import AuditError, UsageError

if TYPE_CHECKING:
    from audit.assembly import Audit
    from audit.request import Request

EXIT_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
UNUSABLE, BROKEN_OFF = 2, 4
_INSPECTION = 10.0
"""Seconds for what `inspect` measures at members."""

# typer re-exports BadParameter alone; the class of all mistakes on a command line is the one it is derived from.
_Mistake: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="model-audit",
    help="How many training samples can be reconstructed from this model's weights?",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes leave no room for words in a narrow terminal
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"model-audit {audit.__version__}")
        raise typer.Exit


def _seed(value: int) -> int:
    if not 0 <= value < 2**63:
        raise typer.BadParameter(f"{value} is not a whole number from 0 to 2^63 - 1")
    return value


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


@app.command(short_help="Audit a checkpoint.")
def scan(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors, .pt or .pth file.")
    ],
    data: Annotated[
        str, typer.Option(metavar="MEMBERS", help="The training images: .npz, folder, or mnist:train[:500].")
    ],
    controls: Annotated[
        str | None, typer.Option(metavar="CONTROLS", help="Images the model never saw, in the same forms.")
    ] = None,
    initial: Annotated[
        Path | None,
        typer.Option(metavar="CHECKPOINT", help="The weights before training, or the public base model."),
    ] = None,
    gradient: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Gradient of one batch, under the checkpoint's tensor names."),
    ] = None,
    gradient_kind: Annotated[
        str, typer.Option(metavar="NAME", help="gradient, or update: what a step added to the weights.")
    ] = "gradient",
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="Of the step, for an update; default: left open.")
    ] = None,
    policy: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="release, strict, research, or a file.")
    ] = "release",
    budget: Annotated[str, typer.Option(metavar="TIME", help="For the whole audit: 60s, 10m, 2h.")] = "2m",
    attacks: Annotated[
        str | None, typer.Option(metavar="A,B", help="Attacks to run; default: all that apply.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: as the checkpoint states, else relu.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(metavar="C,H,W", help="As 1,28,28; default: the members' shape.")
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="X|FILE", help="Subtracted from pixels: X, one per channel, or .npy."),
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="X|FILE", help="Divided by then, likewise.")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SSIM", help="That counts as recovered; default: the policy's.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, or float64 at about twice the time.")
    ] = "float32",
    no_splitting: Annotated[
        bool, typer.Option("--no-splitting", help="Start with all candidates instead of splitting a few.")
    ] = False,
    positive_control: Annotated[
        bool,
        typer.Option(
            "--positive-control",
            help="Try the same attacks on a twin that was made to leak; twice the time, plus training.",
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(metavar="N", callback=_seed, help="Of the attacks' random starts.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; default: reports/CHECKPOINT-TIME.")
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="Of html, markdown, json; default: all.")
    ] = None,
    data_root: Annotated[Path, typer.Option(metavar="DIR", help="Where named data sets lie.")] = Path("data"),
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show progress on stderr.")
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the verdict and the report's path only.")
    ] = False,
) -> None:
    """Audit a checkpoint: attack it, and compare what comes back with its training images.

    Exit codes: 0 PASS, 1 FAIL, 2 unusable input, 3 INCONCLUSIVE, 4 broken off part-way.
    """
    with _errors_in_one_line():
        from audit.request import Request

        request = Request(
            checkpoint=checkpoint,
            data=data,
            controls=controls,
            initial=initial,
            gradient=gradient,
            gradient_kind=gradient_kind,
            learning_rate=learning_rate,
            policy=policy,
            budget=parse_budget(budget),
            attacks=None if attacks is None else tuple(_words(attacks)),
            activation=activation,
            input_shape=input_shape,
            mean=mean,
            std=std,
            threshold=threshold,
            device=device,
            precision=precision,
            splitting=not no_splitting,
            positive_control=positive_control,
            seed=seed,
            data_root=data_root,
            command=shlex.join(["model-audit", *sys.argv[1:]]),
        )
        folder = out or _default_folder(checkpoint.stem)
        finished, reports = _run(request, folder, _formats(format), progress=progress and not quiet)
        _print("\n".join(_outcome(finished, reports, quiet=quiet)))
    raise typer.Exit(_exit_code(finished))


@app.command(short_help="Train a model that leaks faces, and scan it.")
def demo(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; default: reports/demo-TIME.")
    ] = None,
    budget: Annotated[str, typer.Option(metavar="TIME", help="For the scan: 60s, 10m, 2h.")] = "60s",
    seed: Annotated[int, typer.Option(metavar="N", callback=_seed, help="Of training and attacks.")] = 0,
) -> None:
    """Train a model that leaks the faces it learned, scan it, and show the faces that come back.

    Exit code 0 when the demonstration ran.
    """
    with _errors_in_one_line():
        seconds, folder = parse_budget(budget), out or _default_folder("demo")
        _print("training a 625-1000-1 network on 40 faces with random labels ...", err=True)
        from audit import run_folder
        from audit.demo import prepare
        from audit.request import Request

        run_folder.prepare(folder)
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
        finished, reports = _run(request, folder, _formats(None), progress=True)
        code = _exit_code(finished)
        last = (
            f"\nThis was a demonstration; a scan that ends like this exits with {code}. By hand:\n  {command}"
        )
        _print("\n".join([*_outcome(finished, reports, quiet=False), last]))
    raise typer.Exit(0 if finished.report.provenance.complete else BROKEN_OFF)


@app.command(short_help="Show what a checkpoint holds, and which attacks apply.")
def inspect(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors, .pt or .pth file.")
    ],
    initial: Annotated[
        Path | None,
        typer.Option(metavar="CHECKPOINT", help="The weights before training, or the public base model."),
    ] = None,
    gradient: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Gradient of one batch, under the checkpoint's tensor names."),
    ] = None,
    gradient_kind: Annotated[
        str, typer.Option(metavar="NAME", help="gradient, or update: what a step added to the weights.")
    ] = "gradient",
    learning_rate: Annotated[
        float | None, typer.Option(metavar="X", help="Of the step, for an update; default: left open.")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: as the checkpoint states, else relu.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="MEMBERS", help="The training images, to measure what is known of them."),
    ] = None,
    controls: Annotated[
        str | None, typer.Option(metavar="CONTROLS", help="Images the model never saw, in the same forms.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(metavar="C,H,W", help="As 1,28,28; default: the members' shape.")
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="X|FILE", help="Subtracted from pixels: X, one per channel, or .npy."),
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="X|FILE", help="Divided by then, likewise.")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SSIM", help="That counts as recovered; default: 0.4.")
    ] = None,
    data_root: Annotated[Path, typer.Option(metavar="DIR", help="Where named data sets lie.")] = Path("data"),
    format: Annotated[str, typer.Option(metavar="NAME", help="table or json.")] = "table",
) -> None:
    """Show the network a checkpoint holds, which attacks apply to it or why not, and its singular values.

    With --data also how much the weights lean on the training images, how many of these any reconstruction could
    show, and with --controls whether they can be told from other images. Nothing is attacked.
    """
    with _errors_in_one_line():
        if format not in ("table", "json"):
            raise UsageError(f"unknown format {format!r} in --format", "use table or json")
        from audit.inspection import inspect
        from audit.inspection_table import lines
        from audit.request import Request
        from audit.solve.budget import Budget

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
        )
        found = inspect(request, Budget(_INSPECTION, time.monotonic))
        if format == "json":
            _print(found.model_dump_json(indent=2))
        else:
            _print("\n".join(lines(found)))


@app.command(short_help="List the attacks.")
def attacks() -> None:
    """List the battery: what each attack is, what it needs, and where it comes from."""
    from audit.attacks import BATTERY

    _table([(a.id, f"{a.title}.\nNeeds: {a.requires}.\nSource: {a.source}") for a in BATTERY])


def main() -> NoReturn:
    """Entry point of the console script: every way to end has its exit code, and no mistake looks like FAIL."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Threads that spin while they wait make every step ten times slower as soon as the machine has other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = app(prog_name="model-audit", standalone_mode=False) or 0
    except _Mistake as mistake:
        _complain(_explain(mistake))
        code = UNUSABLE
    except Exception:
        _print(traceback.format_exc(), err=True)
        _complain("broken off by a mistake of its own; please report the lines above")
        code = BROKEN_OFF
    sys.exit(code)


def _explain(mistake: Any) -> str:
    where = mistake.ctx.command_path if mistake.ctx else "model-audit"
    return f"{mistake.format_message().rstrip('.')} (see {where} --help)"


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


def _run(request: Request, folder: Path, formats: list[str], *, progress: bool) -> tuple[Audit, list[Path]]:
    """Check, attack, write. What cannot be used ends here, before anything is written."""
    from audit import run_folder
    from audit.pipeline import run
    from audit.progress import StandardError, listener
    from audit.request import check

    inputs = check(request)
    run_folder.prepare(folder)
    with _interrupts() as stop:
        finished = run(request, inputs, listener(StandardError(), show=progress), stop.is_set)
        try:
            return finished, run_folder.write(finished, folder, formats)
        except AuditError as error:
            _complain(str(error))
            raise typer.Exit(BROKEN_OFF) from error


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a request to finish up; the second one ends at once."""
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before: dict[int, Any] = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        restore()


def _outcome(finished: Audit, reports: list[Path], *, quiet: bool) -> Iterator[str]:
    report = finished.report
    yield f"{report.verdict}: {report.reasons[0]}"
    if not quiet:
        yield from (f"  {line}" for line in report.reasons[1:])
        yield from (f"  note: {line}" for line in report.provenance.notes)
    yield f"report: {reports[0]}"


def _exit_code(finished: Audit) -> int:
    report = finished.report
    return EXIT_CODES[report.verdict] if report.provenance.complete else BROKEN_OFF


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except AuditError as error:
        _complain(str(error))
        raise typer.Exit(UNUSABLE) from error
    except KeyboardInterrupt:
        _complain("broken off before the report was written")
        raise typer.Exit(BROKEN_OFF) from None


def _table(rows: list[tuple[str, str]]) -> None:
    """Print names and sentences in two columns that fit the terminal."""
    from audit.inspection_table import grid

    _print("\n".join(grid(rows)))


def _complain(message: str) -> None:
    line = "".join(c if c.isprintable() else "?" for c in message)
    _print(f"model-audit: {line}", err=True)


def _print(text: str, *, err: bool = False) -> None:
    """Print, unless nobody reads or the disk is full: the exit code must not depend on it."""
    try:
        typer.echo(text.encode(errors="replace"), err=err)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if err else sys.stdout).fileno())
