"""How the network was read, and how well it knows the samples as it was read, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.report.reading import Assumed, Assumption, Fit, Reading
from audit.report.schema import Report
from audit.words import number, percent, plural, significant

_SMALL = 0.001
"""Losses below it are written so: their digits say nothing."""


def knowledge(found: Reading) -> str:
    """Say how many samples the network as read gets right or, without labels, how sure it is of them."""
    members, controls = found.members, found.controls
    if members.correlation is not None:
        others = None if controls is None else controls.correlation
        tail = "" if others is None else f", at controls by {number(others)}"
        correlation = number(members.correlation)
        what = plural(members.count, "member")
        return (
            f"As read, outputs of the network at {what} correlate with their targets by {correlation}{tail}."
        )
    if members.accuracy is None:
        return f"{_sureness(members, controls)} Without labels, whether it is right is unknown."
    said = f"As read, the network gets {members.right} of {plural(members.count, 'member')}"
    losses = f"mean cross-entropy {_loss(members)}"
    if controls is not None and controls.accuracy is not None:
        said += f" and {percent(controls.accuracy)} of the controls"
        losses += f" and {_loss(controls)}"
    elif controls is not None:
        losses += "; the controls have no labels"
    guess = (
        ""
        if found.majority is None
        else f"; always saying the most frequent label: {percent(found.majority)}"
    )
    return f"{said} right ({losses}{guess})."


def _loss(found: Fit) -> str:
    if found.loss is not None and found.loss < _SMALL:
        return f"below {_SMALL:g}"
    return significant(found.loss)


def _sureness(members: Fit, controls: Fit | None) -> str:
    said = (
        f"As read, the network gives the class it names a mean probability of {number(members.confidence)} on "
        f"{plural(members.count, 'member')}"
    )
    return f"{said}." if controls is None else f"{said}, {number(controls.confidence)} on controls."


def assumptions(assumed: Sequence[Assumption]) -> str:
    """List on one line what a reading rests on, and what of it was not stated; empty where that is not known."""
    if not assumed:
        return ""
    return f"Read as: {'; '.join(map(phrase, assumed))}."


def phrase(one: Assumption) -> str:
    """Write one assumption without a full stop, and say whether nobody stated it."""
    return _PHRASES[one.what](one)


def _not_stated(one: Assumption) -> str:
    return "" if one.stated else " (assumed)"


_LAYOUTS: dict[str, str] = {"chw": "channel by channel (chw)", "hwc": "pixel by pixel (hwc)"}
_PHRASES: dict[Assumed, Callable[[Assumption], str]] = {
    "activation": lambda one: f"activation {one.value}{_not_stated(one)}",
    "chain": lambda one: f"layers {one.value} in a chain, without skip connections (assumed)",
    "order": lambda one: f"layers in the order {one.value}{_not_stated(one)}",
    "normalisation": lambda one: f"inputs normalised by {one.value}{_not_stated(one)}",
    "layout": lambda one: f"images flattened {_LAYOUTS[one.value]}{_not_stated(one)}",
}


def lines(report: Report) -> list[str]:
    """How well the network as read knows the samples, and what that reading rests on; empty for older reports."""
    found = report.reading
    return [] if found is None else [line for line in (knowledge(found), assumptions(found.assumed)) if line]
