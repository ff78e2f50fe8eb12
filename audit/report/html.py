"""`report.html`: one self-contained file, without scripts or external addresses."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from audit.findings import Finding, Kind
from audit.report import held, text
from audit.report.advice import advice
from audit.report.evidence import Evidence, Trajectory, gallery, shown
from audit.report.model import AttackReport, Report

_TEMPLATES = Path(__file__).parent / "templates"
_SILHOUETTES = 6
"""Matches that a redacted report lists in its gallery."""
_ROWS = 500
"""Rows of the table of samples; the rest is in report.json."""


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write a report as one HTML page.

    Parameters
    ----------
    report:
        The audit.
    evidence:
        Pictures for the gallery, in any order; those beyond the gallery are left out. Empty when images are
        withheld: a redacted report then shows silhouettes.
    trajectories:
        How splitting led to matches; those of attacks that kept no split are left out.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
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
        "unexplained": held.unexplained,
        "standing": partial(text.standing, report),
        "splitting": text.splitting,
        "splitting_cells": partial(text.splitting_cells, report),
        "png": _png,
    }
    pictures = [(report.samples[item.sample], item) for item in shown(report, evidence)]
    redacted = report.provenance.redacted
    withheld = [report.samples[index] for index in gallery(report.samples, _SILHOUETTES)]
    return environment.get_template("report.html.j2").render(
        report=report,
        pictures=[] if redacted else pictures,
        silhouettes=withheld if redacted else [],
        matched=sum(sample.candidate is not None for sample in report.samples),
        rows=sorted(report.samples, key=lambda sample: (not sample.confirmed, -sample.ssim))[:_ROWS],
        findings=_by_kind(report.findings),
        plots=list(_plots(report)),
        held=held.sentences(report),
        held_remarks=held.remarks(report),
        held_plots=list(_held_plots(report)),
        split=[attack for attack in report.attacks if attack.splitting],
        before=text.BEFORE_SPLITTING,
        courses=list(_courses(report, trajectories)),
        chance=text.chance(report),
        positive_control=text.positive_control(report),
        limits=text.limits(report),
        batch=text.batch(report),
        confirmed_from=text.used(report, [sample for sample in report.samples if sample.confirmed]),
        shown_from=text.used(report, [sample for sample, _ in pictures]),
        interval=text.interval(report),
        dp=text.dp(report),
        advice=advice(report),
        unsaid=text.unsaid(report),
        vocabulary=text.VOCABULARY,
    )


def _by_kind(findings: Sequence[Finding]) -> list[tuple[Kind, list[Finding]]]:
    return [(kind, list(group)) for kind, group in groupby(findings, key=lambda finding: finding.kind)]


def _plots(report: Report) -> Iterator[tuple[Markup, str]]:
    """SVG and caption of every plot that this report has data for."""
    from audit.report import plots  # matplotlib takes time, and writes a cache of fonts into the home folder

    samples, controls = report.samples, report.controls
    if samples:
        similarity = plots.similarity_histogram(
            [sample.ssim for sample in samples],
            [control.ssim for control in controls],
            "SSIM of the best match",
            report.summary.threshold,
        )
        caption = "How alike the best matches look. Where controls pass the threshold too, chance does."
        yield Markup(similarity), caption
    if samples and controls:
        margin = plots.similarity_histogram(
            [sample.margin for sample in samples],
            [control.margin for control in controls],
            "identification margin",
        )
        caption = (
            "How much closer a reconstruction is to this image than to every other one. Members to the right "
            "of all controls are what confirmation rests on."
        )
        yield Markup(margin), caption
    curves = plots.loss_curves(report.attacks)
    if curves:
        yield Markup(curves), "How far each attack got: what is left of the squared residual."


def _held_plots(report: Report) -> Iterator[tuple[Markup, str]]:
    """Spectrum and exposure, with captions."""
    from audit.report import plots  # see _plots

    rank, exposures = report.diagnostics.rank, report.diagnostics.exposure
    if rank is not None and rank.singular_values:
        yield Markup(plots.spectrum(rank)), held.spectrum_caption(rank, len(plots.drawn(rank)))
    if exposures and exposures[0].common_controls:
        first = exposures[0]
        caption = (
            f"Exposure of members and controls, fitted together to the equation of {first.attack}: how much of "
            f"what it explains each accounts for. Values below the left edge are counted there."
        )
        yield Markup(plots.exposure_histogram(first.common_members, first.common_controls)), caption


def _courses(
    report: Report, trajectories: Sequence[Trajectory]
) -> Iterator[tuple[AttackReport, Markup, list[Trajectory]]]:
    """Scatter and trajectories of every attack that kept a round of splitting."""
    from audit.report import plots  # see _plots

    for attack in report.attacks:
        part = attack.splitting
        if part is not None and part.rounds:
            scatter = plots.splitting_scatter(
                part.ssim_before,
                part.ssim_after,
                report.summary.threshold,
                f"SSIM of every member before and after splitting, {attack.id}",
            )
            yield attack, Markup(scatter), [item for item in trajectories if item.attack == attack.id]


def _png(image: NDArray[np.floating]) -> str:
    """Encode an image (h, w, c) in [0, 1] as a data URI: in colour from three channels on, else grey."""
    pixels = np.round(255 * np.clip(np.nan_to_num(image), 0.0, 1.0)).astype(np.uint8)
    pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
