"""Options of commands, made from the fields of a request, and what their values mean."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer

from audit.cli.completion import ACTIVATIONS, ATTACKS, FORMATS, LAYOUTS, POLICIES, one_of, some_of
from audit.cli.shell import errors_in_one_line
from audit.errors import UsageError, suggest
from audit.request.option import Field, split
from audit.request.request import DEVICES, KINDS, PRECISIONS, options


def _read(context: typer.Context, path: Path | None) -> Path | None:
    """Options of a file become defaults of the command, so that the command line wins."""
    if path is None or context.resilient_parsing:
        return path
    with errors_in_one_line():
        from audit.cli.config import load_config

        context.default_map = load_config(path)
    return path


_WORDS: dict[str, Callable[[str], list[str]]] = {
    "activation": one_of(*ACTIVATIONS),
    "gradient_kind": one_of(*KINDS),
    "attacks": some_of(*ATTACKS),
    "layout": one_of(*LAYOUTS),
    "device": one_of(*DEVICES),
    "precision": one_of(*PRECISIONS),
    "policy": one_of(*POLICIES),
    "format": some_of(*FORMATS),
}
"""What a shell completes."""

CONFIG_HELP = "A YAML file with any of these options; the command line takes precedence."
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=_read,
        is_eager=True,
        help=CONFIG_HELP,
    ),
]
Checkpoint = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help=options()[0].option.plain)]

Command = Callable[..., None]


def takes(
    fields: Sequence[Field], *, required: Collection[str] = (), defaults: Mapping[str, Any] | None = None
) -> Callable[[Command], Command]:
    """Give a command that accepts `**given` a parameter for each of some options.

    Parameters
    ----------
    fields:
        In this order, before the command's own parameters.
    required:
        Names of options that must be given although a request can do without.
    defaults:
        Values of this command that differ from those of the fields, by name.
    """
    other = defaults or {}

    def dress(function: Command) -> Command:
        own = inspect.signature(function, eval_str=True).parameters.values()
        context = [one for one in own if one.annotation is typer.Context]
        rest = [one for one in own if one not in context and one.kind is not one.VAR_KEYWORD]
        made = [_parameter(one, required=one.name in required, default=other.get(one.name)) for one in fields]
        parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in (*context, *made, *rest)]
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        function.__annotations__ = {one.name: one.annotation for one in parameters}
        return function

    return dress


def _parameter(field: Field, *, required: bool, default: Any) -> inspect.Parameter:
    """Describe an option in the words of typer."""
    required = required or field.required
    if default is None and not required:
        default = field.text
    if field.name == "checkpoint":
        info: Any = typer.Argument(metavar=field.option.metavar, help=field.option.plain)
    else:
        info = typer.Option(
            *_flags(field),
            metavar=field.option.metavar or None,
            help=field.option.plain + _default(field, required=required),
            autocompletion=_WORDS.get(field.name),
        )
    kind = _kind(field)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=Annotated[kind if required or not field.optional else kind | None, info],
    )


def _kind(field: Field) -> Any:
    """What typer makes of the text of an option."""
    if field.name in ("budget", "attacks", "layers"):  # a time, and words with commas
        return str
    return list[str] if get_origin(field.type) is tuple else field.type


def _flags(field: Field) -> list[str]:
    flag = f"--{field.key}"
    if field.type is not bool:
        return [flag]
    return [f"{flag}/--no-{field.key}" if field.default or field.optional else flag]


def _default(field: Field, *, required: bool) -> str:
    """What leaving an option out amounts to, where typer cannot show it."""
    words = field.option.default.replace("`", "")
    return f" Default: {words}." if words and not required else ""


def command(context: typer.Context) -> str:
    """Write a command with all that was asked for, be it on the command line or in a file of options."""
    words, left_out = context.command_path.split(), {"config", *overruled(context)}
    for parameter in context.command.params:
        given = _source(context, parameter.name or "") in ("COMMANDLINE", "DEFAULT_MAP")
        if given and parameter.name not in left_out:  # what the file of options says is spelt out instead
            words += _spelt(parameter, context.params[parameter.name])
    return shlex.join(words)


def overruled(context: typer.Context) -> list[str]:
    """Time or rounds of a file of options, where the command line says the other: it takes precedence."""
    sources = {name: _source(context, name) for name in ("budget", "rounds")}
    if "COMMANDLINE" not in sources.values():
        return []
    return [name for name, source in sources.items() if source == "DEFAULT_MAP"]


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "" if source is None else source.name


def _spelt(parameter: Any, value: Any) -> list[str]:
    if isinstance(value, bool):
        spelling: list[str] = parameter.opts if value else parameter.secondary_opts
        return spelling[:1]
    if parameter.param_type_name == "argument":
        return [str(value)]
    items = value if isinstance(value, list | tuple) else [value]
    return [word for item in items for word in (parameter.opts[0], str(item))]


def formats(given: Sequence[str] | None) -> list[str]:
    """Names of formats in what was given to `--format`; the default ones if nothing was."""
    from audit.render.formats import DEFAULT, FORMATS

    names = list(DEFAULT) if given is None else [name for name, _ in _pairs(given)]
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"unknown format {name!r} in --format", suggest(name, FORMATS))
    if not names:
        raise UsageError("--format names no format", suggest("", FORMATS))
    return list(dict.fromkeys(names))


def elsewhere(given: Sequence[str] | None) -> dict[str, Path]:
    """Where reports go that were given a path of their own, as in `--format html,sarif=out.sarif`, by format."""
    found: dict[str, Path] = {}
    for name, path in _pairs(given or []):
        if path is None:
            continue
        if path == "":
            raise UsageError(f"--format {name}= has no path", f"give one, as in {name}=reports/out")
        if found.setdefault(name, Path(path)) != Path(path):
            raise UsageError(f"--format has two paths for {name}: {found[name]} and {path}", "keep one")
        if list(found.values()).count(Path(path)) > 1:
            raise UsageError(f"--format has two reports for {path}", "give each a path of its own")
    return found


def _pairs(given: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Pairs of format and path, None for its own name in the run folder."""
    for word in split(given):
        name, sign, path = word.partition("=")
        yield name.strip(), path.strip() if sign else None
