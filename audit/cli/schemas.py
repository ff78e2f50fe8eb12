"""`schema`: JSON Schemas, for editors and for checks in CI."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from audit.cli.completion import SCHEMAS, one_of
from audit.cli.shell import errors_in_one_line, say


def schema(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=one_of(*SCHEMAS),
            help="What to describe: policy, config or report.",
        ),
    ],
) -> None:
    """Print the JSON Schema of policies, of audit.yaml, or of report.json."""
    with errors_in_one_line():
        from audit.cli.json_schema import schema as described

        say(json.dumps(described(name), indent=2, ensure_ascii=False))
