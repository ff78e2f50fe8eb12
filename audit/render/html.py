"""`report.html`: one self-contained file without external addresses.

Everything is in the page itself; its script only hides, sorts and enlarges what is there. The page allows no other
script than that one, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

from markupsafe import Markup

from audit import words
from audit.render.jinja import LOADER, environment
from audit.render.pictures import cards, png
from audit.render.sentences import attacks, counts, diagnostics
from audit.render.sentences.advice import advice
from audit.render.sentences.findings import suppression
from audit.render.sentences.glossary import glossary
from audit.render.sentences.grounds import heading, stated
from audit.render.sentences.limitations import limitations
from audit.render.sentences.positive_control import positive_control
from audit.render.sentences.reading import lines
from audit.render.sentences.sources import origins_of
from audit.report.evidence import Evidence, Trajectory, rank, shown
from audit.report.outcomes import AttackReport, Sample
from audit.report.schema import FindingReport, Report
from audit.verdict.finding import Kind

_TABLE = 24
"""Matches of a table that are shown with their columns."""
_ROWS = 1000
"""Of the table of members; the rest is in report.json."""


def render(report: Report, evidence: Sequence[Evidence] = (), trajectories: Sequence[Trajectory] = ()) -> str:
    """Write a report as one HTML page.

    Parameters
    ----------
    report:
        The audit.
    evidence:
        Pictures for the gallery, in any order; those for which there is no room are left out, and the page says
        so. A redacted report shows silhouettes instead.
    trajectories:
        How splitting led to matches; those of attacks that kept no split are left out.
    """
    templates = environment()
    templates.filters |= {
        "plain": words.plain,
        "true_loss": partial(attacks.true_loss, report),
        "unexplained": diagnostics.unexplained,
        "standing": partial(attacks.standing, report),
        "splitting": partial(attacks.splitting, report),
        "splitting_cells": partial(attacks.splitting_cells, report),
        "png": png,
        "headings": _headings,
        "suppression": suppression,
    }
    pictured, table = cards(report, evidence), _table(report, evidence)
    script, *_ = LOADER.get_source(templates, "report.js")
    return templates.get_template("report.html.j2").render(
        report=report,
        script=Markup(script),
        script_hash=_hash(script),
        **_head(report),
        cards=pictured.cards,
        table=table,
        gallery_remarks=pictured.remarks,
        pictured={card.index for card in pictured.cards},
        matched=sum(sample.candidate is not None for sample in report.samples),
        rows=_rows(report.samples),
        withheld=counts.withheld(report),
        findings=_by_kind(report.findings),
        plots=list(_plots(report)),
        diagnostics=diagnostics.sentences(report),
        diagnostics_remarks=diagnostics.remarks(report),
        diagnostics_plots=list(_diagnostics_plots(report)),
        split=[attack for attack in report.attacks if attack.splitting],
        before=attacks.BEFORE_SPLITTING,
        courses=list(_courses(report, trajectories)),
        chance=counts.chance(report),
        strength=counts.strength(report),
        row_space=counts.row_space(report),
        picks=counts.picks(report),
        positive_control=positive_control(report),
        limits=counts.limits(report),
        shown_from=origins_of(report, [c.sample for c in pictured.cards] or [sample for sample, _ in table]),
        dp=counts.dp(report),
        advice=advice(report),
        limitations=limitations(report),
        glossary=glossary(report),
    )


def _head(report: Report) -> dict[str, object]:
    """What the head of the page needs: the verdict, what it rests on, and the counts."""
    return {
        "reading": lines(report),
        "grounds": stated(report),
        "grounds_heading": heading(report),
        "silent": any(
            one.kind == "uninformative-silence" and one.suppression is None for one in report.findings
        ),
        "batch": counts.batch(report),
        "confirmed_from": origins_of(report, [sample for sample in report.samples if sample.confirmed]),
        "interval": counts.interval(report),
    }


def _table(report: Report, evidence: Sequence[Evidence]) -> list[tuple[Sample, Evidence]]:
    """Rows of a table for the gallery, best first; none for images, or where they are withheld."""
    if report.provenance.redacted:
        return []
    items = [item for item in shown(report, evidence) if item.columns]
    return [(report.samples[item.sample], item) for item in items[:_TABLE]]


def _by_kind(findings: Sequence[FindingReport]) -> list[tuple[Kind, list[FindingReport]]]:
    return [(kind, list(group)) for kind, group in groupby(findings, key=lambda finding: finding.kind)]


def _plots(report: Report) -> Iterator[tuple[Markup, str]]:
    """SVG and caption of every plot that this report has data for."""
    from audit.render import plots

    samples, controls = report.samples, report.controls
    if samples:
        similarity = plots.similarity_histogram(
            [sample.similarity for sample in samples],
            [control.similarity for control in controls],
            f"{report.similarity} of the best match",
            report.summary.threshold,
        )
        caption = "Similarity of the best matches. Where controls reach the threshold too, chance does."
        yield Markup(similarity), caption
    if samples and controls:
        margin = plots.similarity_histogram(
            [sample.margin for sample in samples],
            [control.margin for control in controls],
            "identification score",
        )
        caption = (
            "How close a reconstruction is to the sample that it speaks for, with what all samples have in common "
            "taken out. Confirmation rests on members to the right of the controls."
        )
        yield Markup(margin), caption
    curves = plots.loss_curves(report.attacks)
    if curves:
        yield Markup(curves), "Relative loss of each attack: the share of the squared residual that is left."


def _diagnostics_plots(report: Report) -> Iterator[tuple[Markup, str]]:
    """Spectrum and contribution, with captions."""
    from audit.render import plots

    rank, fits = report.diagnostics.rank, report.diagnostics.contribution
    if rank is not None and rank.singular_values:
        yield Markup(plots.spectrum(rank)), diagnostics.spectrum_caption(rank, len(plots.drawn(rank)))
    if fits and fits[0].common_controls:
        first = fits[0]
        caption = (
            f"Contribution of members and controls, fitted together to the equation of {first.attack}. Values "
            f"below the left edge are counted there."
        )
        yield Markup(plots.contribution_histogram(first.common_members, first.common_controls)), caption


def _courses(
    report: Report, trajectories: Sequence[Trajectory]
) -> Iterator[tuple[AttackReport, Markup, list[Trajectory]]]:
    """Scatter and trajectories of every attack that kept a round of splitting."""
    from audit.render import plots

    for attack in report.attacks:
        part = attack.splitting
        if part is not None and part.rounds:
            scatter = plots.splitting_scatter(
                part.similarity_before,
                part.similarity_after,
                report.summary.threshold,
                f"{report.similarity} of every member before and after splitting, {attack.id}",
                report.similarity,
            )
            yield attack, Markup(scatter), [item for item in trajectories if item.attack == attack.id]


def _rows(samples: Sequence[Sample]) -> list[tuple[int, Sample]]:
    """Members with their indices, in the order of the gallery; those without any match come last."""
    places = sorted(
        range(len(samples)), key=lambda index: (samples[index].candidate is None, *rank(samples[index]))
    )
    return [(index, samples[index]) for index in places[:_ROWS]]


def _headings(body: str) -> list[tuple[str, Markup]]:
    """Ids and titles of the sections, for the contents."""
    return [(name, Markup(title)) for name, title in re.findall(r'<h2 id="([\w-]+)">(.*?)</h2>', body)]


def _hash(script: str) -> str:
    """Name a script as a Content-Security-Policy does."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
