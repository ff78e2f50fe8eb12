"""`report.md`: short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import jinja2

from audit.render import diagnostics as held
from audit.render import text
from audit.render.advice import advice
from audit.render.jinja import environment
from audit.report.evidence import Evidence, Trajectory, gallery
from audit.report.schema import Report

_TOP = 10


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write a report as GitHub-flavoured Markdown; images are never part of it."""
    prepared = templates()
    prepared.filters |= {
        "truth": partial(text.truth, report),
        "standing": partial(text.standing, report),
        "splitting": partial(text.splitting, report),
        "splitting_cells": partial(text.splitting_cells, report),
    }
    return prepared.get_template("report.md.j2").render(
        report=report,
        top=[report.samples[index] for index in gallery(report.samples, _TOP)],
        withheld=text.withheld(report),
        chance=text.chance(report),
        similarity=report.similarity,
        noun=report.noun,
        positive_control=text.positive_control(report),
        limits=text.limits(report),
        batch=text.batch(report),
        interval=text.interval(report),
        dp=text.dp(report),
        suppressed=text.suppressed(report),
        advice=advice(report),
        unsaid=text.unsaid(report),
        held=held.sentences(report),
        held_remarks=held.remarks(report),
        spectrum=held.spectrum(report.diagnostics.rank) if report.diagnostics.rank else "",
        split=[attack for attack in report.attacks if attack.splitting],
        before=text.BEFORE_SPLITTING,
    )


def templates() -> jinja2.Environment:
    """Where templates of Markdown lie, and the filters that any of them may need; values are escaped."""
    made = environment(escape)
    made.filters |= {"fence": _fence, "code": _code}
    return made


class _Raw(str):
    """Markdown that must not be escaped."""

    __slots__ = ()


def escape(value: object) -> object:
    """Make a value stand for itself in Markdown, also within a table cell."""
    if isinstance(value, _Raw) or not isinstance(value, str):
        return value
    line = " ".join(value.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", line)


def _fence(value: str) -> str:
    """Put text into a code block that it cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", value)), default=0)
    ticks = "`" * max(3, longest + 1)
    return _Raw(f"{ticks}\n{value}\n{ticks}")


def _code(value: str) -> str:
    """Put a name into code, where it mentions nobody and links nowhere; it must not stand in a table."""
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    pad = " " if "`" in line else ""
    return _Raw(f"{ticks}{pad}{line}{pad}{ticks}") if line else _Raw("(no name)")
