"""`docs`: the documentation that is installed with the tool."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.cli.shell import errors_in_one_line, say
from audit.errors import UsageError, suggest

if TYPE_CHECKING:
    from rich.console import JustifyMethod

_FOLDER = Path(__file__).parents[1] / "docs"


def _topics() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.md"))


def _complete(incomplete: str) -> list[str]:
    return [name for name in _topics() if name.startswith(incomplete)]


def docs(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]",
            autocompletion=_complete,
            help="The topic to show; without one, all are listed.",
        ),
    ] = None,
) -> None:
    """Show the documentation of a topic, or list the topics.

    Formatted in a terminal, and as Markdown in a pipe or file.
    """
    with errors_in_one_line():
        if topic is None:
            say(_contents())
            return
        if topic not in _topics():
            raise UsageError(f"there is no topic {topic!r} in the documentation", suggest(topic, _topics()))
        text = _read(topic)
        if sys.stdout.isatty():
            _show(text)
        else:
            say(text)


def _show(text: str) -> None:
    """Print Markdown, and fold words of tables that are too long for their column, which rich would cut."""
    from rich.console import Console
    from rich.markdown import Markdown, TableDataElement

    class Cell(TableDataElement):
        def __init__(self, justify: JustifyMethod) -> None:
            super().__init__(justify)
            self.content.overflow = "fold"

    class Page(Markdown):
        elements = Markdown.elements | {"td_open": Cell, "th_open": Cell}

    Console().print(Page(text))


def _read(topic: str) -> str:
    """Return the Markdown of a topic without the comments that mark its generated parts."""
    text = (_FOLDER / f"{topic}.md").read_text(encoding="utf-8")
    return re.sub(r"<!--.*?-->\n", "", text).rstrip("\n")


def _contents() -> str:
    """List the topics, each with the first sentence below its title."""
    from audit.render.terminal import grid

    return "\n".join(grid([(topic, _first_sentence(_read(topic))) for topic in _topics()]))


def _first_sentence(text: str) -> str:
    paragraph = next(part for part in text.split("\n\n") if not part.startswith("#"))
    return re.split(r"(?<=[.?!])\s", " ".join(paragraph.split()), maxsplit=1)[0]
