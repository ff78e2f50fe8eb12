"""The table of options in the documentation and the help of `scan` say what the fields of a request say.

After a wanted change, run `UPDATE_GOLDEN=1 python -m pytest tests/cli/test_option_table.py`, which writes the table
again, and read the difference in git.
"""

import os
import re
from pathlib import Path

import audit
from audit.cli import options as cli_options
from audit.request.option import Field, Option
from audit.request.request import options
from tests.command import Run

PAGE = Path(audit.__file__).parent / "docs" / "usage.md"
TABLE = re.compile(
    r"(?<=<!-- options:scan:begin -->\n).*?(?=<!-- options:scan:end -->)", re.MULTILINE | re.DOTALL
)
CONFIG = Field("config", Path, True, None, Option(cli_options.CONFIG_HELP, "FILE"))


def default(field: Field) -> str:
    if field.required or field.name == "data":
        return "required"
    if field.option.default:
        return field.option.default
    if field.type is bool:
        return "on" if field.default else "off"
    return "none" if field.default is None else f"`{field.text}`"


def row(field: Field) -> str:
    name = field.option.metavar if field.name == "checkpoint" else f"--{field.key} {field.option.metavar}"
    both = f"`, `--no-{field.key}" if field.default is True or (field.type is bool and field.optional) else ""
    cells = [f"`{name.strip()}{both}`", default(field), field.option.help]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def test_the_table_in_the_documentation_is_up_to_date() -> None:
    rows = "".join(row(field) for field in [*options(), CONFIG])
    table = f"| option | default | meaning |\n|---|---|---|\n{rows}"
    text = PAGE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_GOLDEN"):
        text = TABLE.sub(lambda _: table, text)
        PAGE.write_text(text, encoding="utf-8")
    found = TABLE.findall(text)
    assert len(found) == 1
    assert found[0] == table, "see tests/cli/test_option_table.py"


def test_the_help_says_the_same(model_audit: Run) -> None:
    shown = "".join(model_audit("scan", "--help").out.split())
    for field in [*options(), CONFIG]:
        assert "".join(field.option.plain.split()) in shown, field.name
        assert field.name == "checkpoint" or f"--{field.key}" in shown
