"""A comparison of two runs in words."""

from __future__ import annotations

from collections.abc import Sequence

from audit.report.comparison import Comparison
from audit.report.differences import Difference, DifferenceKind, Setting
from audit.report.figures import Figure, FigureId

_NAMED = 10
"""Members that a sentence names."""

_FIGURES: dict[FigureId, str] = {
    "confirmed": "members confirmed",
    "confirmed-fraction": "confirmed fraction",
    "upper-limit": "upper limit of the confirmed fraction (95 %)",
    "recovered": "members recovered",
    "recovered-fraction": "recovered fraction",
    "expected-false": "recovered by chance alone",
    "power": "power of the positive control",
    "reachable": "members recoverable in principle",
    "mean-similarity": "mean {similarity} of best matches",
    "mean-attainable": "mean attainable SSIM",
    "mean-contribution": "mean contribution",
    "auc": "AUC, {attack}",
    "loss-at-true-samples": "loss at the true samples, {attack}",
}
_SETTINGS: dict[Setting, str] = {
    "threshold": "Threshold",
    "fdr": "False discovery rate",
    "policy": "Policy",
    "budget": "Budget",
    "controls": "Controls",
    "network": "Network",
    "attacks": "Attacks that ran",
    "observed": "Observed besides the checkpoint",
    "seed": "Seed",
    "device": "Device",
    "version": "Version of the tool",
}
_DIFFERENCES: dict[DifferenceKind, str] = {
    "other-members": "The members are not the same ({before}, {after}), so they cannot be paired: only counts and "
    "fractions are compared.",
    "same-checkpoint": "Both runs audited the same checkpoint: what differs is due to settings and chance.",
    "setting": "{setting} before: {before}; after: {after}.",
    "other-controls": "The controls are not the same, which changes p-values and so what is confirmed.",
    "before-interrupted": "The run before was interrupted: what it did not reach is missing.",
    "after-interrupted": "The run after was interrupted: what it did not reach is missing.",
    "before-uncalibrated": "The run before had no controls: nothing could be confirmed in it.",
    "after-uncalibrated": "The run after had no controls: nothing could be confirmed in it.",
    "other-equation": "Members' contributions are of different equations ({before} before, {after} after), and are "
    "not comparable.",
}


def headline(found: Comparison) -> list[str]:
    """Say what changed, in sentences."""
    first, second = found.before.headline, found.after.headline
    lines = [
        f"Verdict: {first} in both runs." if first == second else f"Verdict: {first} before, {second} after."
    ]
    for name, change in (("Confirmed", found.confirmed), ("Recovered", found.recovered)):
        if change is not None:
            before, after = change.kept + len(change.lost), change.kept + len(change.gained)
            lines.append(
                f"{name}: {before} of {found.before.members} before, {after} after."
                f"{_who('Only before', change.lost)}{_who('Only after', change.gained)}"
            )
    return lines


def _who(when: str, ids: Sequence[str]) -> str:
    rest = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f" {when} ({len(ids)}): {', '.join(ids[:_NAMED])}{rest}." if ids else ""


def figure_name(figure: Figure, similarity: str) -> str:
    """Name a figure, given what the similarity is called."""
    return _FIGURES[figure.id].format(attack=figure.attack, similarity=similarity)


def difference(found: Difference) -> str:
    """Say what differs besides the outcome."""
    setting = "" if found.setting is None else _SETTINGS[found.setting]
    return _DIFFERENCES[found.kind].format(setting=setting, before=found.before, after=found.after)
