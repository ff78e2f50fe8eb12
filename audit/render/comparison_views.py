"""A comparison as text: a table for the terminal, Markdown, HTML and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from audit.render.jinja import environment
from audit.render.markdown import escape
from audit.render.sentences.comparison import difference, figure_name, headline
from audit.render.terminal import columns, grid, printed
from audit.report.comparison import AttackSide, Comparison, MemberChange, MemberSide, Side
from audit.report.figures import Figure, Unit
from audit.words import number, percent, significant

_FORMATS: dict[Unit, Callable[[float], str]] = {"count": "{:g}".format, "share": percent, "number": number}


@dataclass(frozen=True)
class Sheet:
    """A table of a comparison."""

    title: str
    headings: tuple[str, ...]
    """The first is of names, the others are of numbers."""
    rows: list[list[str]]


def sheets(found: Comparison) -> list[Sheet]:
    """Figures, attacks that ran in one run at least, and members, as tables."""
    figures = [
        _figure(figure, found.before.similarity)
        for figure in found.figures
        if (figure.before, figure.after) != (None, None)
    ]
    attacks = [
        [change.id, *_attack(change.before, change.after)]
        for change in found.attacks
        if any(side is not None and side.status == "ran" for side in (change.before, change.after))
    ]
    members = [_member(member) for member in sorted(found.members, key=_least_alike)]
    made = [
        Sheet("Figures", ("figure", "before", "after", "change"), figures),
        Sheet("Attacks", ("attack", "status", "relative loss", "recovered", "confirmed"), attacks),
        Sheet(
            "Members",
            ("member", "counted as", found.before.similarity, "contribution", "attainable"),
            members,
        ),
    ]
    return [sheet for sheet in made if sheet.rows]


def _figure(figure: Figure, similarity: str) -> list[str]:
    name = figure_name(figure, similarity)
    write, before, after = _FORMATS[figure.unit], figure.before, figure.after
    cells = ["—" if value is None else write(value) for value in (before, after)]
    if before is None or after is None:
        return [name, *cells, "—"]
    change = after - before
    return [
        name,
        *cells,
        f"{100 * change:+.1f} points" if figure.unit == "share" else f"{change:+.3g}",
    ]


def _attack(before: AttackSide | None, after: AttackSide | None) -> Iterator[str]:
    ran = [side if side is not None and side.status == "ran" else None for side in (before, after)]
    yield _shift(*("absent" if side is None else side.status for side in (before, after)))
    yield _shift(*("—" if side is None else significant(side.relative_loss) for side in ran))
    yield _shift(*("—" if side is None else str(side.recovered) for side in ran))
    yield _shift(*("—" if side is None else str(side.confirmed) for side in ran))


def _member(member: MemberChange) -> list[str]:
    before, after = member.before, member.after
    return [
        member.id,
        _shift(_counted(before), _counted(after)),
        f"{number(before.similarity)} → {number(after.similarity)}",
        f"{significant(before.contribution)} → {significant(after.contribution)}",
        f"{number(before.attainable)} → {number(after.attainable)}",
    ]


def _least_alike(member: MemberChange) -> tuple[bool, bool, float]:
    """Members whose standing changed come first, then those whose similarity did most."""
    before, after = member.before, member.after
    return (
        before.confirmed == after.confirmed,
        before.recovered == after.recovered,
        -abs(after.similarity - before.similarity),
    )


def _counted(side: MemberSide) -> str:
    return "confirmed" if side.confirmed else "recovered" if side.recovered else "neither"


def _shift(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def table(found: Comparison) -> str:
    """Write a comparison for a terminal; of members only those whose standing changed."""
    lines = [f"before: {_run(found.before)}", f"after:  {_run(found.after)}", ""]
    lines += grid([("-", line) for line in headline(found)])
    for sheet in sheets(found.model_copy(update={"members": _moved(found)})):
        rows = columns(*sheet.headings)
        for row in sheet.rows:
            rows.add_row(*row)
        lines += ["", sheet.title, "", *printed(rows)]
    if found.differences:
        notes = [("-", difference(one)) for one in found.differences]
        lines += ["", "Notes", "", *grid(notes)]
    return "\n".join(lines) + "\n"


def _run(side: Side) -> str:
    return f"{side.checkpoint}, {side.started}"


def _moved(found: Comparison) -> list[MemberChange]:
    return [member for member in found.members if _counted(member.before) != _counted(member.after)]


def markdown(found: Comparison) -> str:
    """Write a comparison as GitHub-flavoured Markdown; of members only those whose standing changed."""
    return _rendered("comparison.md.j2", found.model_copy(update={"members": _moved(found)}), escaped=False)


def html(found: Comparison) -> str:
    """Write a comparison as one HTML page, without scripts or external addresses."""
    return _rendered("comparison.html.j2", found, escaped=True)


def _rendered(template: str, found: Comparison, *, escaped: bool) -> str:
    prepared = environment(None if escaped else escape)  # Markdown is not HTML
    return prepared.get_template(template).render(
        found=found,
        headline=headline(found),
        sheets=sheets(found),
        notes=[difference(one) for one in found.differences],
    )


def json(found: Comparison) -> str:
    """Write a comparison as data, whole."""
    return found.model_dump_json(indent=2) + "\n"


VIEWS: dict[str, Callable[[Comparison], str]] = {
    "table": table,
    "markdown": markdown,
    "html": html,
    "json": json,
}
"""Every format of a comparison."""
