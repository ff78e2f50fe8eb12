"""Times in the user's words."""

from __future__ import annotations

import re

from audit.errors import UsageError


def parse_budget(text: str) -> float:
    """Read seconds from `60s`, `10m`, `2h` or a plain number of seconds.

    Raises
    ------
    UsageError
        When it is no positive time.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if not found or float(found[1]) == 0:
        raise UsageError(f"--budget is {text!r}", "give a positive time such as 60s, 10m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def write_budget(seconds: float) -> str:
    """Write a time as a user may: `2m` for 120 seconds."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
