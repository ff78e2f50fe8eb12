"""Tables as plain lines that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table


def grid(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Write names and sentences in two columns."""
    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, words in rows:
        table.add_row(name, words)
    return printed(table)


def columns(name: str, *numbers: str) -> Table:
    """Begin a table of things by their names and numbers of them, with these headings."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(name, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)  # names are folded first
    return table


def printed(table: RenderableType) -> list[str]:
    """Lines of a table, without colours."""
    console = Console(markup=False, highlight=False, emoji=False, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().rstrip().splitlines()]
