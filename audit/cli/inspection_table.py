"""An inspection as text: tables that fit the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from audit.pipeline.inspection import Inspection
from audit.render.sentences import diagnostics
from audit.render.sentences.misreading import hint
from audit.render.sentences.reading import assumptions, knowledge
from audit.render.terminal import columns, grid, printed
from audit.words import (
    number,
    percent,
    sentence,
    significant,
)

_SHOWN = 10
"""Members in the table; all are in the JSON."""
_CONTRIBUTIONS = (
    "unexplained: what the members leave of the equation; lambdas: numbers that were fitted to it; AUC: how often "
    "a member's contribution is above a control's (.5 is chance), with its 95 % interval; found: members above all "
    "but 1 % of the controls, where there are 100 or more."
)
_MEMBERS = (
    "contribution: the length of a member's part of the sum, over that of the whole; attainable: the best SSIM "
    "that was found for it in the row space, where attacks work."
)


def lines(found: Inspection) -> Iterator[str]:
    """Write an inspection."""
    yield found.network
    if found.reading is not None:
        yield from printed(" ".join(filter(None, [knowledge(found.reading), hint(found.reading)])))
    yield from (f"note: {note}" for note in found.notes)
    yield from printed(assumptions(found.assumed))
    yield ""
    yield from grid([(item.id, item.sentence) for item in found.attacks])
    yield from _section("Memorisation diagnostics", _sentences(found))
    if found.contribution:
        yield from _section("Contribution", _remarks(found))
        if _remarks(found):
            yield ""
        yield from printed(_contributions(found))
        yield from _words(_CONTRIBUTIONS)
    if found.samples and found.contribution:
        more = len(found.samples) > _SHOWN
        most = (
            f"the {_SHOWN} of largest contribution of {len(found.samples)}"
            if more
            else "largest contribution first"
        )
        yield from _section("The member" if len(found.samples) == 1 else f"Members, {most}", [])
        yield from printed(_members(found))
        yield from _words(_MEMBERS)


def _sentences(found: Inspection) -> list[str]:
    said = [diagnostics.spectrum(rank) for rank in found.spectra]
    said += [diagnostics.identifiability(item) for item in (found.identifiability or {}).values()]
    said += diagnostics.contributions(found.contribution)
    if found.attainable is not None:
        said.append(diagnostics.attainable(found.attainable))
    return said


def _remarks(found: Inspection) -> list[str]:
    return [sentence(note) for note in found.contribution[0].notes]


def _words(meanings: str) -> list[str]:
    """Explain the columns of the table above."""
    return ["", *printed(meanings)]


def _section(title: str, said: Sequence[str]) -> Iterator[str]:
    yield ""
    yield title
    yield ""
    if said:
        bullets = Table.grid(padding=(0, 1, 0, 0))
        for words in said:
            bullets.add_row("-", words)
        yield from printed(bullets)


def _contributions(found: Inspection) -> Table:
    table = columns("equation", "unexplained", "lambdas", "AUC", "interval", "found")
    for item in found.contribution:
        bounds = item.auc_interval
        table.add_row(
            item.attack,
            diagnostics.unexplained(item),
            str(item.unknowns),
            number(item.auc),
            "—" if bounds is None else f"{number(bounds[0])}-{number(bounds[1])}",
            "—" if item.true_positives is None else percent(item.true_positives),
        )
    return table


def _members(found: Inspection) -> Table:
    table = columns("member", "label", "contribution", "rank", "attainable")
    ranked = sorted(found.samples, key=lambda sample: sample.contribution_rank or 0)
    for sample in ranked[:_SHOWN]:
        table.add_row(
            sample.id,
            "—" if sample.label is None else str(sample.label),
            significant(sample.contribution),
            str(sample.contribution_rank),
            number(sample.attainable),
        )
    return table
