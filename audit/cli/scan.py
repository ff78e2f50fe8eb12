"""`scan`, and `demo`, which is a scan of a model made for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from audit.cli.options import ConfigFile, command, elsewhere, formats, overruled, takes
from audit.cli.shell import EXIT_CODES, INTERRUPTED, complain, errors_in_one_line, interrupts, say
from audit.errors import AuditError
from audit.report.files import REPORT
from audit.request.precheck import precheck
from audit.request.request import Request, options

if TYPE_CHECKING:
    from audit.report.evidence import Audit

_WAIVERS = Path("audit-waivers.yaml")
"""Taken when it lies in the working directory."""
_OF_DEMO = [one for one in options() if one.name in ("budget", "seed", "out")]


@takes(options(), required=("data",))
def scan(context: typer.Context, config: ConfigFile = None, **given: Any) -> None:
    """Audit a checkpoint: attack it, and compare the reconstructions with its training data.

    Exit codes: 0 PASS, 1 FAIL, 2 unusable input, 3 INCONCLUSIVE, 4 interrupted or failed.
    """
    with errors_in_one_line():
        _start_clean(given, config)
        given |= dict.fromkeys(overruled(context))
        request = Request.of(**given, command=command(context))
        if request.verdict.waivers is None:
            request = request.but(waivers=_default_waivers())
        finished, reports = _run(request, config)
        say(f"report: {reports[0]}")
    raise typer.Exit(_exit_code(finished))


@takes(_OF_DEMO, defaults={"budget": "60s"})
def demo(**given: Any) -> None:
    """Train a model that memorises the faces it is trained on, scan it, and show the faces that come back.

    Exit code 0 when the demonstration ran.
    """
    with errors_in_one_line():
        request = Request.of("model.safetensors", **given)
        folder = request.output.out or _default_folder("demo")
        _start_clean({"out": folder}, None)
        from audit.pipeline import run_folder

        run_folder.prepare(folder)
        say("training a 625-1000-1 network on 40 faces with random labels ...", err=True)
        from audit.pipeline.demo import prepare

        files = prepare(folder, request.attack.seed)
        named = {"data": files.members, "controls": files.controls, "mean": files.mean}
        repeated = {"budget": given["budget"], "seed": given["seed"]}
        words = [word for name, value in (named | repeated).items() for word in (f"--{name}", str(value))]
        by_hand = shlex.join(["model-audit", "scan", str(files.checkpoint), *words])
        request = Request.of(files.checkpoint, **named, **repeated, out=folder, command=by_hand)
        finished, reports = _run(request, None)
        code = _exit_code(finished)
        last = (
            f"\nThis was a demonstration; a scan that ends like this exits with {code}. By hand:\n  {by_hand}"
        )
        say(f"report: {reports[0]}\n{last}")
    raise typer.Exit(0 if finished.report.provenance.complete else INTERRUPTED)


def _default_folder(name: str) -> Path:
    return Path("reports") / f"{name}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"


def _default_waivers() -> Path | None:
    return _WAIVERS if _WAIVERS.exists() else None


def _start_clean(given: Mapping[str, Any], config: Path | None) -> None:
    """Remove the reports of an earlier run first of all: whatever goes wrong from here on, its verdict is gone."""
    from audit.pipeline.earlier_files import remove_earlier, remove_elsewhere

    named = [config, *(value for name, value in given.items() if name != "out")]
    read = [Path(value) for value in named if isinstance(value, str | Path) and "\0" not in str(value)]
    if given.get("baseline") is not None:
        read.append(given["baseline"] / REPORT)
    if given["out"] is not None:
        remove_earlier(given["out"], read)
    remove_elsewhere(elsewhere(given.get("format") or []), read)


def _run(request: Request, config: Path | None) -> tuple[Audit, list[Path]]:
    """Check, attack, say the verdict, write. What cannot be used ends here, before anything is written."""
    precheck(request)
    output = request.output
    names, paths = formats(output.format), elsewhere(output.format)
    from audit.cli.progress import StandardError, listener
    from audit.pipeline import run_folder
    from audit.pipeline.run import run
    from audit.request.check import check
    from audit.verdict.waivers import refuse_expired

    inputs = check(request)
    refuse_expired(inputs.accepted.waivers, datetime.now(UTC).date())
    folder = output.out or _default_folder(request.model.checkpoint.stem)
    read = [*request.files, config] if config else request.files
    run_folder.refuse_clashes(folder, paths, read)
    if output.evidence is not None:
        run_folder.prepare_redacted(folder, output.evidence)
    run_folder.prepare(folder, paths.values())
    with interrupts() as stop:
        show = output.progress and not output.quiet
        finished = run(request, inputs, listener(StandardError(), show=show), stop.is_set)
        say("\n".join(_outcome(finished, quiet=output.quiet)))  # a full disk must not lose it
        try:
            return finished, run_folder.write(finished, folder, names, paths, output.evidence)
        except AuditError as error:
            complain(str(error))
            raise typer.Exit(INTERRUPTED) from error


def _outcome(finished: Audit, *, quiet: bool) -> Iterator[str]:
    from audit.render.sentences.grounds import stated
    from audit.render.sentences.reading import lines

    report = finished.report
    yield f"{report.headline}: {report.reasons[0]}"
    reading = lines(report)
    yield from (reading[1:] if quiet else reading)
    if not quiet:
        yield from (f"  {line}" for line in report.reasons[1:])
        yield from (
            f"  {one.mark}: {one.title}.{'' if one.said else f' {one.sentence}'}" for one in stated(report)
        )
        yield from (f"  note: {line}" for line in report.provenance.notes)


def _exit_code(finished: Audit) -> int:
    report = finished.report
    return EXIT_CODES[report.verdict] if report.provenance.complete else INTERRUPTED
