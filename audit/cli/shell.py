"""What all commands share: what they print where, how mistakes read, and how they end."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from audit.errors import AuditError

EXIT_CODES = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
"""By verdict."""
UNUSABLE, INTERRUPTED = 2, 4
"""Of input that cannot be used; of an audit that was interrupted or failed."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What a terminal would obey instead of showing it: names are whatever a file says."""


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End with one line on stderr and the right exit code, whatever goes wrong by the user's hand."""
    try:
        yield
    except AuditError as error:
        complain(str(error))
        raise typer.Exit(UNUSABLE) from error
    except KeyboardInterrupt:
        complain("interrupted before the report was written")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a request to finish up; the second one ends at once."""
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before: dict[int, Any] = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        restore()


def complain(message: str) -> None:
    """Print one line on stderr."""
    line = "".join(c if c.isprintable() else "?" for c in message)
    say(f"model-audit: {line}", err=True)


def say(text: str, *, err: bool = False) -> None:
    """Print, unless nobody reads or the disk is full: the exit code must not depend on it."""
    try:
        typer.echo(_CONTROL.sub("?", text).encode(errors="replace"), err=err)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if err else sys.stdout).fileno())
