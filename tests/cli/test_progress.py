import io
import math
import re
import sys

import pytest
from rich.console import Console

from audit.cli.progress import (
    Bar,
    Lines,
    StandardError,
    listener,
)
from audit.pipeline.progress import Listener, Silent

WORDS = "attacking 3072-1000-1 [red]with brackets[/red]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def console(file: io.StringIO, width: int = 40) -> Console:
    terminal = file.isatty()
    return Console(file=file, width=width, force_terminal=terminal, force_interactive=terminal)


def audit(told: Listener) -> None:
    with told:
        told.stage(WORDS)
        told.step("kkt-margin", 1.0, 60.0, 0.5)
        told.step("kkt-margin", 31.4, 60.0, 0.00123)
        told.stage("matching")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_lines_come_at_most_every_ten_seconds() -> None:
    file, now = io.StringIO(), [100.0]
    told = Lines(console(file), clock=lambda: now[0])
    for second in range(0, 25, 3):
        now[0] = 100.0 + second
        told.step("kkt-margin", second, 60.0, 0.5 / (1 + second))
    assert file.getvalue().splitlines() == [
        "kkt-margin: 0 of 60 s, relative loss 0.5",
        "kkt-margin: 12 of 60 s, relative loss 0.038",
        "kkt-margin: 24 of 60 s, relative loss 0.02",
    ]


def test_lines_are_plain_and_never_wrapped() -> None:
    file = io.StringIO()
    audit(Lines(console(file, width=20)))
    assert file.getvalue().splitlines() == [WORDS, "kkt-margin: 1 of 60 s, relative loss 0.5", "matching"]


def test_a_loss_goes_by_its_own_name() -> None:
    file = io.StringIO()
    Lines(console(file)).step("training", 1.0, 60.0, 0.5, "training loss")
    assert file.getvalue() == "training: 1 of 60 s, training loss 0.5\n"


def test_where_rounds_are_counted_the_time_has_no_end() -> None:
    file, screen = io.StringIO(), Terminal()
    Lines(console(file)).step("kkt-margin", 12.0, math.inf, 0.5)
    assert file.getvalue() == "kkt-margin: 12 s, relative loss 0.5\n"
    with Bar(console(screen, 120)) as told:
        told.step("kkt-margin", 12.0, math.inf, 0.5)
        told._progress.refresh()
    assert re.search(r"kkt-margin .*loss 0\.5 12 s", plain(screen.getvalue()))


@pytest.mark.parametrize("width", [10, 40, 120])
def test_a_bar_at_any_width(width: int) -> None:
    file = Terminal()
    audit(Bar(console(file, width)))
    text = file.getvalue()
    assert WORDS in plain(text)
    assert "matching" in plain(text)
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")  # the cursor comes back
    if width == 120:
        assert "━" in text


def test_a_bar_shows_attack_loss_and_time_left() -> None:
    file = Terminal()
    told = Bar(console(file))
    with told:
        told.step("kkt-margin", 31.4, 60.0, 0.00123)
        told._progress.refresh()
    assert re.search(r"kkt-margin .*loss 0\.0012 29 s left", plain(file.getvalue()))


def test_a_bar_never_shows_negative_time() -> None:
    file = Terminal()
    with Bar(console(file)) as told:
        told.step("kkt-margin", 61.0, 60.0, 0.5)
        told._progress.refresh()
    assert "0 s left" in plain(file.getvalue())
    assert "-" not in plain(file.getvalue()).replace("kkt-margin", "")


def test_a_stage_ends_the_bar_before_it() -> None:
    file = Terminal()
    with Bar(console(file)) as told:
        told.step("kkt-margin", 31.4, 60.0, 0.5)
        told._progress.refresh()
        before = file.tell()
        told.stage("matching")
        told._progress.refresh()
        assert "kkt-margin" not in file.getvalue()[before:].partition("matching")[2]


def test_the_cursor_comes_back_after_an_error() -> None:
    file = Terminal()
    with pytest.raises(KeyError), Bar(console(file)):
        raise KeyError
    assert "\x1b[?25h" in file.getvalue()


@pytest.mark.parametrize(
    ("file", "environment", "kind"),
    [
        (Terminal(), {"TERM": "xterm"}, Bar),
        (Terminal(), {"TERM": "dumb"}, Lines),
        (io.StringIO(), {"TERM": "xterm"}, Lines),
        (io.StringIO(), {"TERM": "xterm", "FORCE_COLOR": "1"}, Lines),  # a log that shows colours
    ],
)
def test_a_bar_needs_a_terminal(file: io.StringIO, environment: dict[str, str], kind: type) -> None:
    found = Console(file=file, _environ=environment)
    assert type(listener(found, show=True)) is kind
    assert type(listener(found, show=False)) is Silent


@pytest.mark.parametrize("kind", [Bar, Lines])
def test_an_audit_goes_on_when_nobody_reads(
    kind: type[Bar] | type[Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(Terminal):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    found = StandardError()
    audit(kind(found))
    assert found.quiet
