"""`scan`, and `demo`, which is a scan of a model made for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli.completion import ATTACKS, FORMATS, POLICIES, one_of, some_of
from audit.cli.options import (
    Activation,
    BudgetText,
    Checkpoint,
    ConfigFile,
    Controls,
    DataRoot,
    Download,
    Gradient,
    GradientKind,
    Initial,
    InputShape,
    LearningRate,
    Mean,
    RunFolder,
    Seed,
    Std,
    command,
    elsewhere,
    formats,
    parse_budget,
    words,
)
from audit.cli.shell import BROKEN_OFF, EXIT_CODES, complain, errors_in_one_line, interrupts, say
from audit.errors import AuditError

if TYPE_CHECKING:
    from audit.report.evidence import Audit
    from audit.request.request import Request


def scan(
    context: typer.Context,
    checkpoint: Checkpoint,
    data: Annotated[
        str,
        typer.Option(
            metavar="MEMBERS", help="The training data: .npz, .pt, .csv, folder or mnist:train[:500]."
        ),
    ],
    controls: Controls = None,
    initial: Initial = None,
    gradient: Gradient = None,
    gradient_kind: GradientKind = "gradient",
    learning_rate: LearningRate = None,
    policy: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            autocompletion=one_of(*POLICIES),
            help="release, strict, research, or a file.",
        ),
    ] = "release",
    budget: BudgetText = "2m",
    attacks: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            autocompletion=some_of(*ATTACKS),
            help="Attacks to run; default: all that apply.",
        ),
    ] = None,
    activation: Activation = None,
    input_shape: InputShape = None,
    mean: Mean = None,
    std: Std = None,
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
    waivers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Accepted findings; default: audit-waivers.yaml, if there."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="An earlier run; what it confirmed does not count again."),
    ] = None,
    dp: Annotated[
        str | None,
        typer.Option(metavar="SIGMA,Q,STEPS", help="If trained by DP-SGD, how: its bound is reported."),
    ] = None,
    seed: Seed = 0,
    out: RunFolder = None,
    format: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B=PATH",
            autocompletion=some_of(*FORMATS),
            help="html, markdown, json (these three by default), sarif, junit, summary; in --out, or at PATH.",
        ),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Write no image: reports show silhouettes, and numbers.")
    ] = False,
    evidence: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --redact: private folder for the images.")
    ] = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
    progress: Annotated[
        bool, typer.Option("--progress/--no-progress", help="Show progress on stderr.")
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the verdict and the report's path only.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Audit a checkpoint: attack it, and compare what comes back with its training images.

    Exit codes: 0 PASS, 1 FAIL, 2 unusable input, 3 INCONCLUSIVE, 4 broken off part-way.
    """
    with errors_in_one_line():
        from audit.request.request import Request

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
            attacks=None if attacks is None else tuple(words(attacks)),
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
            redact=redact,
            evidence=evidence,
            data_root=data_root,
            download=download,
            waivers=waivers or _default_waivers(),
            baseline=baseline,
            dp=dp,
            command=command(context),
        )
        folder = out or _default_folder(checkpoint.stem)
        names, paths = formats(format), elsewhere(format)
        finished, reports = _run(request, folder, names, paths, config, progress=progress and not quiet)
        say("\n".join(_outcome(finished, reports, quiet=quiet)))
    raise typer.Exit(_exit_code(finished))


def demo(out: RunFolder = None, budget: BudgetText = "60s", seed: Seed = 0) -> None:
    """Train a model that leaks the faces it learned, scan it, and show the faces that come back.

    Exit code 0 when the demonstration ran.
    """
    with errors_in_one_line():
        seconds, folder = parse_budget(budget), out or _default_folder("demo")
        say("training a 625-1000-1 network on 40 faces with random labels ...", err=True)
        from audit.request.request import Request
        from audit.run import run_folder
        from audit.run.demo import prepare

        run_folder.prepare(folder)
        files = prepare(folder, seed)
        options = ["--data", str(files.members), "--controls", str(files.controls), "--mean", str(files.mean)]
        options += ["--budget", budget, "--seed", str(seed)]
        by_hand = shlex.join(["model-audit", "scan", str(files.checkpoint), *options])
        request = Request(
            checkpoint=files.checkpoint,
            data=str(files.members),
            controls=str(files.controls),
            mean=str(files.mean),
            budget=seconds,
            seed=seed,
            command=by_hand,
        )
        finished, reports = _run(request, folder, formats(None), {}, None, progress=True)
        code = _exit_code(finished)
        last = (
            f"\nThis was a demonstration; a scan that ends like this exits with {code}. By hand:\n  {by_hand}"
        )
        say("\n".join([*_outcome(finished, reports, quiet=False), last]))
    raise typer.Exit(0 if finished.report.provenance.complete else BROKEN_OFF)


def _default_folder(name: str) -> Path:
    return Path("reports") / f"{name}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"


def _default_waivers() -> Path | None:
    from audit.verdict.waivers import DEFAULT

    return DEFAULT if DEFAULT.exists() else None


def _run(
    request: Request,
    folder: Path,
    names: list[str],
    paths: dict[str, Path],
    config: Path | None,
    *,
    progress: bool,
) -> tuple[Audit, list[Path]]:
    """Check, attack, write. What cannot be used ends here, before anything is written."""
    from audit.cli.progress import StandardError, listener
    from audit.request.check import check
    from audit.run import run_folder
    from audit.run.pipeline import run
    from audit.verdict.waivers import refuse_expired

    inputs = check(request)
    refuse_expired(inputs.accepted.waivers, datetime.now(UTC).date())
    read = [*request.files, config] if config else request.files
    run_folder.refuse_clashes(folder, names, paths, read)
    run_folder.prepare(folder, paths.values())
    if request.redact:
        run_folder.prepare_redacted(folder, request.evidence)
    with interrupts() as stop:
        finished = run(request, inputs, listener(StandardError(), show=progress), stop.is_set)
        try:
            return finished, run_folder.write(finished, folder, names, paths, request.evidence)
        except AuditError as error:
            complain(str(error))
            raise typer.Exit(BROKEN_OFF) from error


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
