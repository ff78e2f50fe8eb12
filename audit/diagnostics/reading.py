"""The network as it was read, on members and controls, and whether it knows the former.

A network that was read as another one (activation, order of layers), or is given other inputs than in training
(layout, normalisation), hardly knows its training samples: it is no better at them than at any others. With labels
this shows in how many it gets right and in its loss; without, in how sure it is of members against controls. A
network with one output and real-valued labels is one of regression: there, outputs and labels correlate.

Everything here sees members. It says what a result is worth, and never feeds an attack.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest, fisher_exact, mannwhitneyu
from scipy.stats import t as student
from torch import Tensor

from audit.dataset.truth import Truth
from audit.diagnostics.initialisation import untrained
from audit.model.modality import ROWS
from audit.model.network import Network

MULTIPLICATIONS = 2e10
"""Spent on a reading at most, about a second; of more samples than that allows, some are taken evenly."""
_LEAST = 100
"""Samples looked at, however large the network."""
_FEWEST_CORRELATED = 3
"""Pairs of numbers from which a correlation says anything."""
_Number = TypeVar("_Number", bound=np.generic)
_RENUMBERED = 0.01
"""Level of the test for another numbering of classes."""
_FARTHEST_MEAN, _WIDEST = 1.0, 4.0
"""Of a normalised column: distance of its mean from 0, and times 1 its standard deviation, or part of it."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network says of some samples; all arrays are (n,)."""

    said: NDArray[np.int64]
    """The class it says."""
    sureness: NDArray[np.float64]
    """Output of that class, less the next best one; the absolute output of a network with one output."""
    confidence: NDArray[np.float64]
    """Probability of the class it says, by softmax or the logistic function."""
    right: NDArray[np.bool_] | None = None
    """Whether that class is the label's; None without labels."""
    margin: NDArray[np.float64] | None = None
    """Output of the label's class, less the best of the others; None without labels."""
    loss: NDArray[np.float64] | None = None
    """Cross-entropy, in nats; None without labels."""
    correlation: float | None = None
    """Of outputs with what a regression was trained to give; None without such targets."""

    def __len__(self) -> int:
        return len(self.sureness)

    @property
    def wrong(self) -> int:
        """How many it gets wrong; 0 without labels."""
        return 0 if self.right is None else int((~self.right).sum())

    @property
    def mean_loss(self) -> float:
        """Mean cross-entropy; not finite without labels."""
        return math.nan if self.loss is None else float(self.loss.mean())


@dataclass(frozen=True, eq=False)
class Tests:
    """One-sided p-values; None where a test has nothing to compare."""

    chance: float | None
    """Members are right no more often than by always saying their most frequent class (exact binomial)."""
    fewer_right: float | None
    """Members are right as often as controls, against less often (Fisher's exact test)."""
    higher_loss: float | None
    """Members' margins are as large as those of controls, against smaller (Mann-Whitney)."""
    surer: float | None
    """The network is as sure of members as of controls, against surer (Mann-Whitney)."""
    less_sure: float | None
    """Likewise, against less sure."""
    correlates: float | None = None
    """Outputs at members and targets are not correlated, against positively (exact for normal numbers)."""


@dataclass(frozen=True)
class Columns:
    """How far the columns of a table are normalised, by members and controls together."""

    off: int
    """Columns whose mean lies beyond 1 from 0, or whose standard deviation not from 1/4 to 4."""
    all: int
    """Columns that are not the same in all rows."""
    mean: float
    """Median distance of their means from 0."""
    spread: float
    """Median standard deviation."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The network as read, on members and controls."""

    members: Answers
    """On members, or as many of them as were looked at."""
    controls: Answers | None
    """On controls likewise; None without any."""
    majority: float | None
    """Share of the most frequent label among those members; None without labels."""
    tests: Tests
    """What follows."""
    untrained: bool | None
    """Whether no layer can be told from a random initialisation; None where no layer says anything."""
    columns: Columns | None
    """Of a table; None for images."""
    renumbered: bool
    """Whether the network tells the classes of members apart, but numbers them otherwise than their labels."""


def read(network: Network, truth: Truth) -> Reading:
    """Run the network on members and controls.

    Parameters
    ----------
    network:
        As it was read, with d inputs.
    truth:
        Members (n, d) and controls (k, d), with labels where known.
    """
    most = affordable(network, 2)
    taken, labels = some(truth.members, truth.labels, most)
    members = answers(network, taken, labels, targets=some(truth.members, truth.targets, most)[1])
    controls = None
    if len(truth.controls):
        held_out, theirs = some(truth.controls, truth.control_labels, most)
        targets = some(truth.controls, truth.control_targets, most)[1]
        controls = answers(network, held_out, theirs, targets=targets)
    majority = None if labels is None else largest_share(labels)
    tests = _tests(members, controls, majority)
    return Reading(
        members,
        controls,
        majority,
        tests,
        untrained(network.weights),
        _columns(truth),
        labels is not None and _renumbered(members.said, labels),
    )


def _renumbered(said: NDArray[np.int64], labels: NDArray[np.int64]) -> bool:
    """Whether labels (n,) are another numbering of the classes (n,) that are said.

    The numbering is chosen on every other sample, and has to get halfway from guessing to all of the rest.
    """
    count = 1 + max(int(said.max()), int(labels.max()))
    table = np.zeros((count, count))
    np.add.at(table, (labels[::2], said[::2]), 1.0)
    _, numbers = linear_sum_assignment(table, maximize=True)
    rest = labels[1::2]
    if len(rest) == 0 or np.array_equal(numbers, np.arange(count)):
        return False
    right, majority = int((numbers[rest] == said[1::2]).sum()), largest_share(rest)
    enough = right >= len(rest) * (1 + majority) / 2
    return enough and bool(binomtest(right, len(rest), majority, "greater").pvalue < _RENUMBERED)


def _columns(truth: Truth) -> Columns | None:
    if truth.preprocessing.modality is not ROWS:
        return None
    rows = np.concatenate([truth.members, truth.controls]).astype(np.float64)
    rows = rows[:, rows.min(axis=0) < rows.max(axis=0)]
    means, spreads = np.abs(rows.mean(axis=0)), rows.std(axis=0)
    near = (means <= _FARTHEST_MEAN) & (spreads >= 1 / _WIDEST) & (spreads <= _WIDEST)
    return Columns(int((~near).sum()), len(near), float(np.median(means)), float(np.median(spreads)))


def affordable(network: Network, passes: int, least: int = _LEAST) -> int:
    """How many samples there is time for, in so many passes through a network, but so many at least."""
    return max(least, int(MULTIPLICATIONS / (passes * network.parameters.size)))


def largest_share(labels: NDArray[np.int64]) -> float:
    """Share of the most frequent label: what always saying that one gets right."""
    return float(np.bincount(labels).max() / len(labels))


def some(
    inputs: NDArray[np.float32], labels: NDArray[_Number] | None, most: int
) -> tuple[NDArray[np.float32], NDArray[_Number] | None]:
    """Take samples (n, d) and their labels at even distances, so many at most."""
    if len(inputs) <= most:
        return inputs, labels
    rows = np.linspace(0, len(inputs) - 1, most).astype(int)
    return inputs[rows], None if labels is None else labels[rows]


def answers(
    network: Network,
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64] | None,
    forward: Callable[[Tensor], Tensor] | None = None,
    targets: NDArray[np.float32] | None = None,
) -> Answers:
    """Run a network on samples (n, d) with labels (n,), or targets (n,) of a regression, if they are known.

    Another way through its layers than a chain can be given as `forward`, from inputs (n, d) to outputs (n, c).
    Outputs that are not finite, as of a network read as another one, are taken for 0.
    """
    with torch.no_grad():
        tensor = torch.from_numpy(np.ascontiguousarray(inputs)).to(network.weights[0])
        outputs = (forward or network.forward)(tensor).double().cpu().numpy()
    outputs = np.nan_to_num(outputs, nan=0.0, posinf=0.0, neginf=0.0)
    correlation = None if targets is None else correlate(outputs[:, 0], targets)
    if outputs.shape[1] == 1:
        outputs = np.hstack([-outputs / 2, outputs / 2])  # the logistic function is a softmax of these two
    highest = np.sort(outputs, axis=1)[:, -2:]
    sureness, said = highest[:, 1] - highest[:, 0], outputs.argmax(axis=1)
    logarithms = outputs - np.logaddexp.reduce(outputs, axis=1, keepdims=True)
    confidence = np.exp(logarithms.max(axis=1))
    if labels is None:
        return Answers(said, sureness, confidence, correlation=correlation)
    rows = np.arange(len(outputs))
    others = outputs.copy()
    others[rows, labels] = -np.inf
    margin = outputs[rows, labels] - others.max(axis=1)
    return Answers(said, sureness, confidence, said == labels, margin, -logarithms[rows, labels])


def correlate(outputs: NDArray[np.float64], targets: NDArray[np.float32]) -> float:
    """Pearson's correlation (n,); 0 where either does not vary."""
    if len(outputs) < _FEWEST_CORRELATED or np.ptp(outputs) == 0 or np.ptp(targets) == 0:
        return 0.0
    return float(np.corrcoef(outputs, targets)[0, 1])


def correlation_test(correlation: float, count: int) -> float:
    """One-sided p-value of a positive correlation of so many pairs, by Student's t."""
    if count < _FEWEST_CORRELATED:
        return 1.0
    rest = max(1 - correlation**2, np.finfo(float).tiny)
    return float(student.sf(correlation * math.sqrt((count - 2) / rest), count - 2))


def _tests(members: Answers, controls: Answers | None, majority: float | None) -> Tests:
    chance = fewer = higher = surer = less = None
    if members.right is not None and majority is not None:
        chance = float(binomtest(int(members.right.sum()), len(members), majority, "greater").pvalue)
    if controls is not None:
        surer = larger(members.sureness, controls.sureness)
        less = larger(controls.sureness, members.sureness)
        if members.right is not None and controls.right is not None:
            right = np.array([members.right.sum(), controls.right.sum()])
            table = np.array([right, [len(members), len(controls)] - right]).T
            fewer = float(fisher_exact(table, "less").pvalue)
        if members.margin is not None and controls.margin is not None:
            higher = larger(controls.margin, members.margin)
    known = members.correlation
    correlates = None if known is None else correlation_test(known, len(members))
    return Tests(chance, fewer, higher, surer, less, correlates)


def larger(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """One-sided p-value for our values being the higher ones."""
    return float(mannwhitneyu(ours, theirs, alternative="greater").pvalue)
