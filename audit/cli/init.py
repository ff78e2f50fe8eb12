"""`init`: an `audit.yaml` to edit and commit, with every option of `scan` in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli.options import Checkpoint
from audit.cli.shell import errors_in_one_line, say
from audit.errors import OutputError, UsageError
from audit.request.request import options

if TYPE_CHECKING:
    from audit.model.architecture import Architecture

_HEAD = """\
# Options of `model-audit scan`, by their names on the command line without the dashes in front:
#
#     model-audit scan --config {file}
#
# What the command line also says wins. Paths are relative to this file. Lines that begin with # are defaults, or
# show what could stand there.
"""


def init(
    checkpoint: Checkpoint,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("audit.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the options of an audit of a checkpoint into a file, to edit and commit.

    Then: model-audit scan --config audit.yaml
    """
    with errors_in_one_line():
        from audit.request.precheck import refuse_missing

        refuse_missing(checkpoint)
        from audit.request.weights import load_model

        _, architecture = load_model(checkpoint, None)
        if os.path.realpath(out) == os.path.realpath(checkpoint):
            raise UsageError(f"--out {out} is the checkpoint, and is not replaced", "choose another --out")
        _write(out, _content(out, checkpoint, architecture), force=force)
        say(f"{out}: written; edit data and controls, then: model-audit scan --config {out}")


def _write(path: Path, content: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise UsageError(f"{path} exists, and is not replaced", "pass --force, or another --out") from error
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", "choose another --out"
        ) from error


def _content(path: Path, checkpoint: Path, architecture: Architecture) -> str:
    known = {
        "checkpoint": os.path.relpath(checkpoint, path.parent),
        "data": "members.npz",
        "controls": "controls.npz",
    }
    # What is assumed stays a comment: once it is an option, it counts as stated by the user.
    assumed = {
        "activation": architecture.activation,
        "layers": ",".join(layer.weight for layer in architecture.layers),
        "layout": architecture.layout or "chw",
    }
    found = [f"{architecture.sizes}, {architecture.parameters:,} parameters", *architecture.notes]
    head = _HEAD.format(file=path.name) + "\n" + "".join(f"# {line}\n" for line in found)
    return "\n".join([head, *_entries(known, assumed)])


def _entries(known: dict[str, str], assumed: dict[str, str]) -> Iterator[str]:
    """Every option with its help: those known with their values, the others with defaults, as comments."""
    import yaml

    for one in options():
        value = (known | assumed).get(one.name, one.text)
        default = re.fullmatch("`([^`A-Z]+)`", one.option.default)
        line = f"{one.key}: {default[1] if default else one.option.metavar}"
        if value is not None:
            line = yaml.safe_dump({one.key: value}, allow_unicode=True, width=1_000_000).rstrip()
        yield f"# {one.option.plain}\n{'' if one.name in known else '# '}{line}\n"
