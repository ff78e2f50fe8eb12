"""Progress on standard error: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from audit.pipeline.progress import Listener, Silent

_SECONDS_BETWEEN_LINES = 10.0


class Lines(Silent):
    """Plain lines, for logs; at most one every ten seconds while an attack runs."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last = -_SECONDS_BETWEEN_LINES

    def stage(self, text: str) -> None:
        """Print the stage."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def step(
        self, attack: str, spent: float, budget: float, loss: float, what: str = "relative loss"
    ) -> None:
        """Print where the attack is, if enough time has passed."""
        if self._clock() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = self._clock()
            time = f"{spent:.0f} of {budget:.0f} s" if budget < math.inf else f"{spent:.0f} s"
            self.stage(f"{attack}: {time}, {what} {loss:.2g}")


class Bar(Silent):
    """A bar that shows the attack, its loss and the time left of the budget, if there is an end to it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]:.2g}"),
            TextColumn("{task.fields[time]}"),
            console=console,
            transient=True,
            expand=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._progress.stop()

    def stage(self, text: str) -> None:
        """End the bar of the stage before, and print the stage."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.refresh()
            self._task = None
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def step(
        self, attack: str, spent: float, budget: float, loss: float, what: str = "relative loss"
    ) -> None:
        """Move the bar."""
        endless = budget == math.inf
        time = f"{spent:.0f} s" if endless else f"{max(0.0, budget - spent):.0f} s left"
        total = None if endless else budget
        if self._task is None:
            self._task = self._progress.add_task(attack, total=total, loss=loss, time=time)
        self._progress.update(
            self._task, description=attack, completed=spent, total=total, loss=loss, time=time
        )


class StandardError(Console):
    """The console on stderr. An audit goes on when nobody reads its progress any more."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Fall silent, where rich would end the program."""
        self.quiet = True


def listener(console: Console, *, show: bool) -> Listener:
    """Bar on a terminal, lines elsewhere (also in a log that asks for colours), nothing unless `show`."""
    if not show:
        return Silent()
    return Bar(console) if console.is_interactive and console.file.isatty() else Lines(console)
