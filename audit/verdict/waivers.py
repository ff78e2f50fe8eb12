"""Waivers: findings that somebody takes responsibility for, by name, with a reason and until a day.

A file holds a list of them:

    - id: confirmed-reconstruction/face-07
      reason: The person agreed in writing to publication.
      owner: Ada Lovelace
      expires: 2026-12-31

A waived finding stays in the report and is not counted: see `audit.verdict.judgement`. A waiver holds through its
last day, in UTC. One that has expired, or whose id cannot occur in this audit, is an error, so that files do not
rot. One whose finding does not occur in this run is none, for attacks are random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from audit.errors import UsageError, suggest
from audit.verdict.finding import RULES, Suppression
from audit.yaml_file import kind, read_yaml, validate

_OF_MEMBERS = ("confirmed-reconstruction",)
_OF_ATTACKS = ("required-attack-missing", "attack-failed")


def _day(value: object) -> object:
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("expected a day such as 2026-12-31")


_Text = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]
_Line = Annotated[_Text, AfterValidator(lambda text: " ".join(text.split()))]
"""YAML folds long texts into several lines, and every report wants one."""


class Waiver(BaseModel):
    """One finding that is suppressed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: _Text
    """Of the finding, as in `report.json`."""
    reason: _Line
    """Why it is accepted."""
    owner: _Line
    """Who takes responsibility."""
    expires: Annotated[date, BeforeValidator(_day)]
    """Last day on which it holds, UTC."""


@dataclass(frozen=True)
class Waivers:
    """A file of them."""

    path: Path
    """Of the file."""
    entries: tuple[Waiver, ...]
    """In its order; no two of one finding."""

    @property
    def suppressions(self) -> dict[str, Suppression]:
        """What the findings that are waived get, by their ids."""
        return {
            one.id: Suppression(
                kind="waiver", reason=one.reason, owner=one.owner, expires=one.expires.isoformat()
            )
            for one in self.entries
        }


def load_waivers(path: Path, members: Sequence[str], attacks: Sequence[str]) -> Waivers:
    """Read a file of waivers; an empty one holds none.

    Parameters
    ----------
    path:
        Of the file.
    members:
        Ids of the members of this audit.
    attacks:
        Ids of the battery.

    Raises
    ------
    UsageError
        Names the file and the entry: unknown or missing keys, a malformed day, an id given twice, or an id that is
        of no known kind or names a member or an attack that this audit does not have.
    """
    content = read_yaml(path)
    if not isinstance(content, list | None):
        raise UsageError(
            f"{path}: waivers are a list, and this is {kind(content)}", "begin entries with a dash"
        )
    entries: list[Waiver] = []
    for number, entry in enumerate(content or [], 1):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict):
            raise UsageError(f"{where} is {kind(entry)}", "give it the keys id, reason, owner and expires")
        waiver = validate(Waiver, entry, where)
        _check_id(waiver.id, where, members, attacks)
        if waiver.id in [other.id for other in entries]:
            raise UsageError(f"{where}: {waiver.id!r} is waived twice", "keep one of the two")
        entries.append(waiver)
    return Waivers(path, tuple(entries))


def refuse_expired(waivers: Waivers | None, today: date) -> None:
    """Raise a UsageError that names the first waiver whose last day is before today, in UTC."""
    for number, one in enumerate(waivers.entries if waivers else (), 1):
        if one.expires < today:
            raise UsageError(
                f"{waivers and waivers.path}: entry {number}: the waiver of {one.id!r} by {one.owner} expired on "
                f"{one.expires.isoformat()}",
                "remove it, or have it renewed",
            )


def _check_id(name: str, where: str, members: Sequence[str], attacks: Sequence[str]) -> None:
    sort, slash, about = name.partition("/")
    if sort not in RULES:
        raise UsageError(f"{where}: {sort!r} is no kind of finding", suggest(sort, RULES))
    if sort in _OF_ATTACKS:
        if about not in attacks:
            raise UsageError(f"{where}: {name!r} names no attack", suggest(about, attacks))
    elif sort in _OF_MEMBERS:
        if about not in members:
            raise UsageError(
                f"{where}: {name!r} names no member of this audit",
                "take the id from a report on these members, or remove the entry",
            )
    elif slash:
        raise UsageError(
            f"{where}: {name!r}: there is only one finding {sort!r}", "leave out what follows it"
        )
