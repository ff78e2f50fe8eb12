"""`report.md`: short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import jinja2

from audit.render.jinja import environment
from audit.render.sentences import attacks, counts, diagnostics
from audit.render.sentences.advice import advice
from audit.render.sentences.findings import suppressed
from audit.render.sentences.grounds import heading, stated
from audit.render.sentences.limitations import limitations
from audit.render.sentences.positive_control import positive_control
from audit.render.sentences.reading import lines
from audit.report.evidence import Evidence, Trajectory, gallery
from audit.report.schema import Report

_TOP = 10


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write a report as GitHub-flavoured Markdown; images are never part of it."""
    prepared = templates()
    prepared.filters |= {
        "true_loss": partial(attacks.true_loss, report),
        "standing": partial(attacks.standing, report),
        "splitting": partial(attacks.splitting, report),
        "splitting_cells": partial(attacks.splitting_cells, report),
    }
    return prepared.get_template("report.md.j2").render(
        report=report,
        top=[report.samples[index] for index in gallery(report.samples, _TOP)],
        reading=lines(report),
        grounds=stated(report),
        grounds_heading=heading(report),
        withheld=counts.withheld(report),
        chance=counts.chance(report),
        strength=counts.strength(report),
        row_space=counts.row_space(report),
        picks=counts.picks(report),
        positive_control=positive_control(report),
        limits=counts.limits(report),
        batch=counts.batch(report),
        interval=counts.interval(report),
        dp=counts.dp(report),
        suppressed=suppressed(report),
        advice=advice(report),
        limitations=limitations(report),
        diagnostics=diagnostics.sentences(report),
        diagnostics_remarks=diagnostics.remarks(report),
        spectrum=diagnostics.spectrum(report.diagnostics.rank) if report.diagnostics.rank else "",
        split=[attack for attack in report.attacks if attack.splitting],
        before=attacks.BEFORE_SPLITTING,
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
