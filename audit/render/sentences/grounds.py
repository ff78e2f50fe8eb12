"""The grounds of a PASS in words: a title for each, and what it rests on or what takes it away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from audit.render.sentences.exchangeability import alike, differ_little
from audit.render.sentences.findings import detail, suppression
from audit.report.schema import Report
from audit.verdict.grounds import Basis, Ground, GroundId
from audit.words import bound, listed, number, percent, plural, share, significant

TITLES: dict[GroundId, str] = {
    "calibrated": "The count is calibrated",
    "exchangeable": "Members and controls are alike",
    "reading": "The network was read as it is",
    "tested": "What was given was tested",
    "informative": "Silence means something",
    "resolved": "No member stands out unconfirmed",
}
"""Every ground in a few words, as where it holds."""


Mark = Literal["holds", "missing", "not checked"]


@dataclass(frozen=True)
class Stated:
    """A ground as reports list it."""

    mark: Mark
    """Whether it holds."""
    title: str
    """The ground in a few words."""
    sentence: str
    """What it rests on, or what it lacks and what to do."""
    said: bool
    """Whether a reason for the verdict says the same."""


def stated(report: Report) -> list[Stated]:
    """List the grounds of a report that does not fail; a FAIL needs none of them."""
    if report.verdict == "FAIL":
        return []
    return [
        Stated(_MARKS[one.holds], TITLES[one.ground], one.sentence, one.sentence in report.reasons)
        for one in report.verdict_grounds
    ]


def heading(report: Report) -> str:
    """Name the list of grounds."""
    return "What this PASS rests on" if report.headline == "PASS" else "What a PASS would rest on"


_MARKS: dict[bool | None, Mark] = {True: "holds", False: "missing", None: "not checked"}


def sentence(ground: Ground) -> str:
    """Say in a sentence or two what a ground rests on, what takes it away, or that it was not checked."""
    if ground.issue is not None:
        accepted = ground.issue.suppression
        tail = "" if accepted is None else f" Suppressed: {suppression(accepted)}."
        if not ground.asked:
            tail += " This policy does not ask for it."
        return f"{detail(ground.issue)}{tail}"
    if ground.basis is None:
        return "This was not checked."
    return _BASES[ground.basis](**ground.values)


def _enough_controls(controls: int, required: int) -> str:
    asked = f" (the policy requires {required})" if required else ""
    return f"{plural(controls, 'control')} given{asked}, and the negative control confirmed nothing."


def _attacks_ran(attacks: Sequence[str]) -> str:
    return f"Attacks that ran: {listed(attacks)}."


def _found_some(confirmed: int) -> str:
    return f"The attacks work on this network: they confirmed {plural(confirmed, 'training sample')}."


def _untrained(auc: float, low: float, high: float) -> str:
    return (
        f"The weights cannot be told from a random initialisation, and the membership test cannot tell members "
        f"from controls (AUC {number(auc)}, 95 % interval {number(low)} to {number(high)})."
    )


def _describes(attack: str, true: float, reached: float) -> str:
    return (
        f"The equation of {attack} describes this training: the true samples leave {share(true)} of it, and the "
        f"attack got to {share(reached)}."
    )


def _has_power(confirmed: int, samples: int, low: float) -> str:
    return (
        f"The same attacks confirmed {confirmed} of {plural(samples, 'sample')} of a model that was made to leak: "
        f"at least {bound(low, up=False)} of such leaks are found (95 % confidence)."
    )


def _none_stands_out(unresolved: int) -> str:
    if not unresolved:
        return "No member beats every control without being confirmed."
    return (
        f"{plural(unresolved, 'member')} ahead of every control without being confirmed: no more than chance, or "
        f"the policy, allows."
    )


def _explained(attack: str, true: float) -> str:
    return (
        f"The samples given leave {share(true)} of the equation of {attack}: it is they that were trained on."
    )


def _knows(members: int, right: int, majority: float, controls: int, controls_right: int | None) -> str:
    others = "" if controls_right is None else f", and {controls_right} of {plural(controls, 'control')}"
    return (
        f"As read, the network gets {right} of {plural(members, 'member')} right{others}; always saying the most "
        f"frequent label would get {percent(majority)} of members."
    )


def _correlates(members: int, correlation: float) -> str:
    return (
        f"As read, the outputs of the network at {plural(members, 'member')} correlate with their targets by "
        f"{number(correlation)}."
    )


def _renumbered() -> str:
    return (
        "As read, the network tells the classes of members apart; it numbers them otherwise than the labels."
    )


def _surer(chance: float) -> str:
    return f"As read, the network is surer of members than of controls (p-value {significant(chance)})."


def _never_trained() -> str:
    return (
        "The weights cannot be told from a random initialisation, and no single change to how the network was read "
        "makes it know its members."
    )


_BASES: dict[Basis, Callable[..., str]] = {
    "explained": _explained,
    "knows": _knows,
    "correlates": _correlates,
    "renumbered": _renumbered,
    "surer": _surer,
    "never-trained": _never_trained,
    "enough-controls": _enough_controls,
    "alike": alike,
    "differ-little": differ_little,
    "attacks-ran": _attacks_ran,
    "found-some": _found_some,
    "untrained": _untrained,
    "describes": _describes,
    "has-power": _has_power,
    "none-stands-out": _none_stands_out,
}
