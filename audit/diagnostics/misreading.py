"""Which single change to a reading makes the network know its members, if one does.

A change counts if the network gets far more members right with it: at most half as many wrong, significantly so,
and more than halfway from what guessing gets to all. Where it gets all of them right anyway, as with another
activation, the margins tell: trained networks have even ones at their training samples. Outputs are scaled to a
mean margin of 8 first, for scale alone says nothing (pixels in 0 to 255 make every loss small).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from audit.dataset.truth import Truth
from audit.diagnostics.changes import Change, changes
from audit.diagnostics.reading import (
    Answers,
    affordable,
    answers,
    correlation_test,
    larger,
    largest_share,
    some,
)
from audit.model.network import Network

LEVEL = 0.01
"""Of all tests together."""
_MEAN_MARGIN = 8.0
_FEWEST = 10
"""Members from which margins are compared."""
_EVENER = 4.0
"""Times the scaled loss that a reading has, over that of a change which makes the margins more even. Right readings
reach 3 with some changes, misread activations 2 to 20."""
_RATHER_EVENER, _LOWER = 1.5, 10.0
"""The same where the loss itself is lower by this factor, for changes that leave the scale of inputs as it is."""
_SCALING = ("normalisation",)
_CORRELATED = 0.5
"""Correlation of outputs with targets that a change has to reach."""
_EQUAL = 1.25
"""Times the scaled loss of the best change, up to which others are as good."""
_LEAST_TRIED = 40
"""Members on which changes are tried, however large the network."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What became of one change."""

    change: Change
    answers: Answers
    """On the members that were looked at."""
    mends: bool
    """Whether the network knows its members far better with it."""


def try_changes(network: Network, truth: Truth, names: Sequence[str]) -> list[Trial]:
    """Try every single change on members, or as many of them as there is time for.

    Parameters
    ----------
    network:
        As it was read.
    truth:
        Members and controls, with labels where known.
    names:
        Of the layers' weights, first to last.

    Returns
    -------
    list[Trial]
        One for each change.
    """
    found = list(changes(network, truth, names))
    most = affordable(network, 2 * (1 + len(found)), _LEAST_TRIED)
    members, labels = some(truth.members, truth.labels, most)
    controls, _ = some(truth.controls, None, most)
    _, targets = some(truth.members, truth.targets, most)
    before, level = answers(network, members, labels, targets=targets), LEVEL / max(len(found), 1)
    majority = 0.0 if labels is None else largest_share(labels)
    trials = []
    for change in found:
        now = answers(network, change.inputs(members), labels, change.forward, targets)
        surer = labels is not None or targets is not None
        if not surer and len(controls):
            others = answers(network, change.inputs(controls), None, change.forward)
            surer = larger(now.sureness, others.sureness) < level
        trials.append(Trial(change, now, surer and _mends(change, before, now, majority, level)))
    return trials


def best(trials: Sequence[Trial]) -> Trial | None:
    """Choose the change that mends a reading best; None if none does. Of equals, it is the first in their order."""
    mending = [trial for trial in trials if trial.mends]
    if not mending:
        return None
    head = min(mending, key=lambda trial: (trial.answers.wrong, scaled_loss(trial.answers)))
    most = _EQUAL * scaled_loss(head.answers)
    return next(
        trial
        for trial in trials
        if trial.change.kind == head.change.kind
        and trial.answers.wrong <= head.answers.wrong
        and scaled_loss(trial.answers) <= most
    )


def scaled_loss(found: Answers) -> float:
    """Mean logistic loss of the margins, scaled to a mean of 8: how uneven they are, whatever their scale.

    Margins are those of labels or, without, of the classes that the network says. Of a regression it is the share
    of the targets' variance that its outputs leave unexplained.
    """
    if found.correlation is not None:
        return 1 - max(found.correlation, 0.0) ** 2
    margins = found.sureness if found.margin is None else found.margin
    mean = float(margins.mean())
    if mean <= 0:
        return math.inf
    return float(np.logaddexp(0.0, -margins * _MEAN_MARGIN / mean).mean())


def _mends(change: Change, before: Answers, now: Answers, majority: float, level: float) -> bool:
    if now.correlation is not None:
        better = now.correlation >= _CORRELATED and 2 * scaled_loss(now) <= scaled_loss(before)
        return better and correlation_test(now.correlation, len(now)) < level
    right, after = before.right, now.right
    if right is None or after is None:
        return len(now) >= _FEWEST and _EVENER * scaled_loss(now) <= scaled_loss(before)
    if after.mean() < (1 + majority) / 2:
        return False
    won, lost = int((after & ~right).sum()), int((right & ~after).sum())
    if (
        2 * now.wrong <= before.wrong
        and won + lost
        and binomtest(won, won + lost, 0.5, "greater").pvalue < level
    ):
        return True
    if len(now) < _FEWEST or lost > won:
        return False
    ratio = scaled_loss(before) / scaled_loss(now)
    lower = now.mean_loss * _LOWER <= before.mean_loss and change.kind not in _SCALING
    return ratio >= _EVENER or (lower and ratio >= _RATHER_EVENER)
