"""Whether the network as it was read is the user's, and its inputs are those of its training.

Every threshold is a decision, with its reason beside it. Numbers come in as `Facts`, ids of causes go out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.verdict.facts import AttackFact, Facts, ReadingFact
from audit.verdict.finding import Value

Cause = Literal["change", "exchanged", "elsewhere", "chance", "uncorrelated", "columns"]
ReadingBasis = Literal["explained", "knows", "correlates", "renumbered", "surer", "never-trained"]

LEVEL = 0.01
"""Of a test that a reading rests on."""
_EACH = LEVEL / 2
"""Of either of two tests of which one is enough."""
_CLEARLY = 0.25
"""Of the way from what guessing gets to all: a misread network can be significantly better than guessing."""
_EXPLAINED = 0.1
"""Relative loss of the true samples up to which they can be no others: right readings leave 0.001 to 0.07, wrong
ones 0.4 to 1."""
_SOLVED, _OPEN = 0.1, 0.4
"""An attack that got so far while the true samples leave so much has found other samples."""
_CORRELATED = 0.5
"""Correlation with its targets that a regression reaches at its training samples."""
_FEWEST = 10
"""Targets of a regression, of which fewer say little."""
_MOST_OFF = 0.25
"""Part of a table's columns that may be far from normalised."""


def misreading(facts: Facts) -> dict[str, Value] | None:
    """Say what speaks against a reading: values of the finding `misread`; None if nothing does."""
    found = facts.reading
    if found is None:
        return None
    elsewhere = _elsewhere(facts)
    values: dict[str, Value] = {
        "cause": _cause(facts, found, elsewhere),
        "members": found.members,
        "right": found.right,
        "majority": found.majority,
        "correlation": found.correlation,
        "controls": found.controls,
        "controls_right": found.controls_right,
        "change": found.change,
        "value": found.value,
        "tried_on": found.tried_on,
        "mended": found.mended,
        "tried": found.tried,
        "attack": elsewhere[0] if elsewhere else "",
        "reached": elsewhere[1].relative_loss if elsewhere else None,
        "true": elsewhere[1].true_loss if elsewhere else None,
        "off": found.columns_off,
        "columns": found.columns,
        "assumed": list[str](found.assumed),
    }
    return None if values["cause"] is None else values


def unchecked(facts: Facts) -> dict[str, Value] | None:
    """Say why a reading could not be checked: values of the finding `reading-unchecked`; None if it could."""
    found = facts.reading
    if found is None or _basis(facts, found) or _cause(facts, found, _elsewhere(facts)):
        return None
    return {
        "members": found.members,
        "right": found.right,
        "targets": found.correlation is not None,
        "chance": found.p_chance,
        "controls": found.controls,
        "observed": facts.gradient_kind if facts.observed else None,
        "assumed": list[str](found.assumed),
    }


def basis(facts: Facts) -> tuple[ReadingBasis, Mapping[str, Value]] | None:
    """Say what a reading rests on; None where it does not hold, could not be checked, or nobody looked."""
    found = facts.reading
    if found is None or _cause(facts, found, _elsewhere(facts)):
        return None
    return _basis(facts, found)


def _cause(facts: Facts, found: ReadingFact, elsewhere: tuple[str, AttackFact] | None) -> Cause | None:
    if _explained(facts) is not None:
        return "elsewhere" if elsewhere else None
    if found.change is not None:
        return "change"
    if _exchanged(facts, found):
        return "exchanged"
    if elsewhere:
        return "elsewhere"
    if _basis(facts, found) is not None:
        return None
    if found.right is not None and not _few(found) and not facts.observed:  # a batch need not be known yet
        return "chance"
    if found.correlation is not None and found.members >= _FEWEST and not facts.observed:
        return "uncorrelated"
    if found.columns_off is not None and found.columns is not None:
        return "columns" if found.columns_off > _MOST_OFF * found.columns else None
    return None


def _basis(facts: Facts, found: ReadingFact) -> tuple[ReadingBasis, Mapping[str, Value]] | None:
    if (explained := _explained(facts)) is not None:
        return "explained", {"attack": explained[0], "true": explained[1].true_loss}
    if _knows(found):
        return "knows", {
            "members": found.members,
            "right": found.right,
            "majority": found.majority,
            "controls": found.controls,
            "controls_right": found.controls_right,
        }
    if (found.correlation or 0.0) >= _CORRELATED and (found.p_correlation or 0.0) < LEVEL:
        return "correlates", {"members": found.members, "correlation": found.correlation}
    if found.renumbered:
        return "renumbered", {}
    labelled = found.right is not None or found.correlation is not None
    if not labelled and found.p_surer is not None and found.p_surer < LEVEL:
        return "surer", {"chance": found.p_surer}
    if facts.untrained and not facts.initial:
        return "never-trained", {}
    return None


def _knows(found: ReadingFact) -> bool:
    """Whether the network gets members right clearly more often than guessing would."""
    if found.right is None or found.majority is None or found.p_chance is None:
        return False
    if found.right / found.members < found.majority + _CLEARLY * (1 - found.majority):
        return False
    if found.p_chance < LEVEL:
        return True
    # Of few members chance may get all right, but is no surer of them than of controls.
    surer = found.p_surer is not None and found.p_surer < LEVEL
    return surer and found.right == found.members


def _few(found: ReadingFact) -> bool:
    """Whether guessing could get all of so few members right."""
    return found.majority is not None and found.majority**found.members >= LEVEL


def _exchanged(facts: Facts, found: ReadingFact) -> bool:
    """Whether the network knows controls better than members."""
    if facts.untrained or found.right is None or found.controls_right is None:
        return False
    if found.right * found.controls > found.controls_right * found.members:
        return False
    tests = (found.p_fewer_right, found.p_higher_loss)
    return any(chance is not None and chance < _EACH for chance in tests)


def _measured(facts: Facts) -> list[tuple[str, AttackFact]]:
    """Attacks that ran, and for which it is known what the true samples leave of their equations."""
    ran = [(name, one) for name, one in facts.attacks.items() if one.status == "ran"]
    return [(name, one) for name, one in ran if one.true_loss is not None]


def _explained(facts: Facts) -> tuple[str, AttackFact] | None:
    """The attack whose equation the true samples solve best, if they solve it."""
    name, best = min(_measured(facts), key=lambda pair: pair[1].true_loss or 0.0, default=("", None))
    return (name, best) if best is not None and (best.true_loss or 0.0) <= _EXPLAINED else None


def _elsewhere(facts: Facts) -> tuple[str, AttackFact] | None:
    """The attack that solved its equation although the true samples leave much of it open, if there is one.

    Where a gradient or the weights from before training are known, the weights themselves hold other samples too;
    untrained weights hold none.
    """
    known = {*facts.observed, *facts.initial}
    for name, one in _measured(facts):
        reached, true = one.relative_loss, one.true_loss
        if name not in known if known else facts.untrained:
            continue
        if reached is not None and reached <= _SOLVED and true is not None and true >= _OPEN:
            return name, one
    return None
