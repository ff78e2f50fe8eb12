"""`report.md`: short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jinja2

from audit.report import held, text
from audit.report.evidence import Evidence, Trajectory, gallery
from audit.report.model import Report

_TEMPLATES = Path(__file__).parent / "templates"
_TOP = 10


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write a report as GitHub-flavoured Markdown; images are never part of it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=False,  # Markdown is not HTML: `finalize` escapes every value instead
        finalize=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": text.number,
        "significant": text.significant,
        "percent": text.percent,
        "duration": text.duration,
        "truth": partial(text.truth, report),
        "sentence": text.sentence,
        "standing": partial(text.standing, report),
        "splitting": text.splitting,
        "splitting_cells": partial(text.splitting_cells, report),
        "fence": _fence,
    }
    return environment.get_template("report.md.j2").render(
        report=report,
        top=[report.samples[index] for index in gallery(report.samples, _TOP)],
        withheld=text.withheld(report),
        chance=text.chance(report),
        positive_control=text.positive_control(report),
        limits=text.limits(report),
        batch=text.batch(report),
        interval=text.interval(report),
        unsaid=text.unsaid(report),
        held=held.sentences(report),
        held_remarks=held.remarks(report),
        spectrum=held.spectrum(report.diagnostics.rank) if report.diagnostics.rank else "",
        split=[attack for attack in report.attacks if attack.splitting],
        before=text.BEFORE_SPLITTING,
    )


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
