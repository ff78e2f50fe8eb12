"""Options that several commands take, and what their values mean."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from audit.cli.completion import ACTIVATIONS, one_of
from audit.cli.shell import errors_in_one_line
from audit.errors import UsageError, suggest


def _seed(value: int) -> int:
    if not 0 <= value < 2**63:
        raise typer.BadParameter(f"{value} is not a whole number from 0 to 2^63 - 1")
    return value


def _read(context: typer.Context, path: Path | None) -> Path | None:
    """Options of a file become defaults of the command, so that the command line wins."""
    if path is None or context.resilient_parsing:
        return path
    with errors_in_one_line():
        from audit.cli.config import load_config

        context.default_map = dict(load_config(path))
    return path


Checkpoint = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors, .pt or .pth file.")]
Controls = Annotated[
    str | None, typer.Option(metavar="CONTROLS", help="Images the model never saw, in the same forms.")
]
Initial = Annotated[
    Path | None,
    typer.Option(metavar="CHECKPOINT", help="The weights before training, or the public base model."),
]
Gradient = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Gradient of one batch, under the checkpoint's tensor names."),
]
GradientKind = Annotated[
    str, typer.Option(metavar="NAME", help="gradient, or update: what a step added to the weights.")
]
LearningRate = Annotated[
    float | None, typer.Option(metavar="X", help="Of the step, for an update: for the record.")
]
Activation = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=one_of(*ACTIVATIONS),
        help="Default: as the checkpoint states, else relu.",
    ),
]
InputShape = Annotated[
    str | None, typer.Option(metavar="C,H,W", help="As 1,28,28; default: the members' shape.")
]
Mean = Annotated[
    str | None, typer.Option(metavar="X|FILE", help="Subtracted from pixels: X, one per channel, or .npy.")
]
Std = Annotated[str | None, typer.Option(metavar="X|FILE", help="Divided by then, likewise.")]
DataRoot = Annotated[Path, typer.Option(metavar="DIR", help="Where named data sets lie.")]
Download = Annotated[bool, typer.Option("--download", help="Let torchvision fetch named sets there.")]
RunFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Run folder; default: reports/NAME-TIME.")
]
Seed = Annotated[int, typer.Option(metavar="N", callback=_seed, help="Of all that is random.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=_read,
        is_eager=True,
        help="YAML with any of these, and the checkpoint; the command line wins.",
    ),
]
BudgetText = Annotated[str, typer.Option(metavar="TIME", help="For the whole audit: 60s, 10m, 2h.")]


def command(context: typer.Context) -> str:
    """Write a command with all that was asked for, be it on the command line or in a file of options."""
    words = context.command_path.split()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        given = source is not None and source.name in ("COMMANDLINE", "DEFAULT_MAP")
        if given and parameter.name != "config":  # what that file says is spelt out instead
            words += _spelt(parameter, context.params[parameter.name])
    return shlex.join(words)


def _spelt(parameter: Any, value: Any) -> list[str]:
    if isinstance(value, bool):
        spelling: list[str] = parameter.opts if value else parameter.secondary_opts
        return spelling[:1]
    if parameter.param_type_name == "argument":
        return [str(value)]
    items = value if isinstance(value, list | tuple) else [value]
    return [word for item in items for word in (parameter.opts[0], str(item))]


def parse_budget(text: str) -> float:
    """Seconds in `60s`, `10m`, `2h` or a plain number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if not found or float(found[1]) == 0:
        raise UsageError(f"--budget is {text!r}", "give a positive time such as 60s, 10m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def words(text: str) -> list[str]:
    """Split at commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def formats(given: list[str] | None) -> list[str]:
    """Names of formats in what was given to `--format`; the default ones if nothing was."""
    from audit.render.formats import DEFAULT, FORMATS

    names = list(DEFAULT) if given is None else [name for name, _ in _asked(given)]
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"unknown format {name!r} in --format", suggest(name, FORMATS))
    if not names:
        raise UsageError("--format names no format", suggest("", FORMATS))
    return list(dict.fromkeys(names))


def elsewhere(given: list[str] | None) -> dict[str, Path]:
    """Where reports go that were given a path of their own, as in `--format html,sarif=out.sarif`, by format."""
    found: dict[str, Path] = {}
    for name, path in _asked(given or []):
        if path is None:
            continue
        if path == "":
            raise UsageError(f"--format {name}= has no path", f"give one, as in {name}=reports/out")
        if found.setdefault(name, Path(path)) != Path(path):
            raise UsageError(f"--format has two paths for {name}: {found[name]} and {path}", "keep one")
        if list(found.values()).count(Path(path)) > 1:
            raise UsageError(f"--format has two reports for {path}", "give each a path of its own")
    return found


def _asked(given: list[str]) -> Iterator[tuple[str, str | None]]:
    """Pairs of format and path, None for its own name in the run folder."""
    for word in (word for text in given for word in words(text)):
        name, sign, path = word.partition("=")
        yield name.strip(), path.strip() if sign else None
