"""Numbers and plurals as text, the same in every sentence of the project."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context


def plural(number: int, noun: str) -> str:
    """Join a number and its noun, which takes an s unless the number is 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: Iterable[str]) -> str:
    """Join different words, of which there is one at least, as in `a, b and c`."""
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} and {last}" if first else last


def bound(fraction: float, *, up: bool) -> str:
    """Write an end of an interval in percent, three digits, rounded outwards.

    An upper limit that was rounded to the nearest digit would claim more than was measured.

    Parameters
    ----------
    fraction:
        From 0 to 1.
    up:
        Whether it is an upper end; a lower one is rounded down.
    """
    outwards = Context(prec=3, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    exact = outwards.create_decimal(f"{100 * fraction:.12g}")  # 100 * .07 is a little above 7
    return f"{exact.normalize():f} %"


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with a fixed count of decimals; a dash for None."""
    return "—" if value is None else f"{value:.{digits}f}"


def significant(value: float | None, digits: int = 2) -> str:
    """Write a p-value or a loss with so many significant digits; a dash for None."""
    return "—" if value is None else f"{value:.{digits}g}"


def plain(value: float) -> str:
    """Write a value of a table with three significant digits or, from 1,000 on, without decimals."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e12 else significant(value, 3)


def percent(fraction: float) -> str:
    """Write a fraction as a percentage with one decimal."""
    return f"{100 * fraction:.1f} %"


def share(fraction: float) -> str:
    """Write a fraction as a percentage with three digits; 100 % only if it is 1."""
    if 0.9995 <= fraction < 1.0:
        return "over 99.9 %"
    return f"{100 * fraction:.3g} %"


def duration(seconds: float) -> str:
    """Write seconds as `4.2 s`, `58 s`, `2 min 5 s` or `1 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    large, small, rest = (60, 1, "s") if whole < 3600 else (3600, 60, "min")
    name = "min" if large == 60 else "h"
    tail = f" {whole % large // small} {rest}" if whole % large // small else ""
    return f"{whole // large} {name}{tail}"


def sentence(remark: str) -> str:
    """Write a remark as a sentence: it begins with a capital and ends with a full stop."""
    return f"{remark[:1].upper()}{remark[1:].rstrip('.')}."


def probability(bound: float) -> str:
    """Write an upper bound of a probability as a percentage that is not below it, of two digits at least."""
    digits = max(1, 1 - math.floor(math.log10(100 * bound)))
    return f"{math.ceil(100 * bound * 10**digits - 1e-6) / 10**digits:.{digits}f} %"


def printable(text: str) -> str:
    """Replace what no UTF-8 file can hold, such as undecodable bytes of a file name."""
    return text.encode(errors="replace").decode()
