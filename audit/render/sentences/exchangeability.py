"""How members compare with controls, in words."""

from __future__ import annotations

from collections.abc import Sequence

from audit.words import listed, plural, significant

ASPECTS = {
    "classes": "how often each class occurs",
    "mean": "their mean value",
    "spread": "the spread of their values",
    "neighbours": "their nearest neighbours",
    "noise": "how near random noise comes to them",
}
"""Aspects in which members and controls may differ."""


def controls_differ(
    aspects: Sequence[str], p_value: float, explained: int, confirmed: int, confirmable: int, members: int
) -> str:
    """Say that members and controls are too different for what was found, or for silence, to mean much."""
    differ = (
        f"Members and controls differ: give controls from the same source as the training data. Without the "
        f"network, they are told apart by {_words(aspects, p_value)}."
    )
    if explained:
        return (
            f"{differ} This may explain {explained} of {plural(confirmed, 'confirmed training sample')}: with each "
            f"control counted by how like the members it is, chance comes as far."
        )
    return (
        f"{differ} With each control counted by how like the members it is, no more than {confirmable} of "
        f"{plural(members, 'training sample')} could have been confirmed, whatever leaks."
    )


def roles_exchanged(count: int, controls: int, confirmed: int) -> str:
    """Say that the network seems to know the controls."""
    ours = f", against {confirmed} of the members by the usual test" if confirmed else ""
    return (
        f"Did you swap --data and --controls? Exchange them, or give controls that the model never saw. With the "
        f"roles exchanged, {count} of {plural(controls, 'control')} are confirmed{ours}: the model seems to hold "
        f"them."
    )


def alike(p_value: float) -> str:
    """Say that no difference was found."""
    return f"Without the network, members and controls are not told apart (p-value {significant(p_value)})."


def differ_little(
    aspects: Sequence[str], p_value: float, confirmed: int, confirmable: int, members: int
) -> str:
    """Say that there is a difference, and why it does not matter."""
    found = (
        f"what was confirmed ({plural(confirmed, 'training sample')}) still is"
        if confirmed
        else f"{confirmable} of {plural(members, 'training sample')} could still have been confirmed"
    )
    return (
        f"Members and controls differ by {_words(aspects, p_value)}, but little: with each control counted by how "
        f"like the members it is, {found}."
    )


def _words(aspects: Sequence[str], p_value: float) -> str:
    return f"{listed(ASPECTS[aspect] for aspect in aspects)} (p-value {significant(p_value)})"
