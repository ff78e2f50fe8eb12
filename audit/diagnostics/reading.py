"""The network as it was read, on members and controls, and whether it knows the former.

A network that was read as another one (activation, order of layers), or is given other inputs than in training
(layout, normalisation), hardly knows its training samples: it is no better at them than at any others. With labels
this shows in how many it gets right and in its loss; without, in how sure it is of members against controls. A
network with one output and real-valued labels is one of regression: there, outputs and labels correlate.

Everything here sees members. It says what a result is worth, and never feeds an attack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest, fisher_exact, mannwhitneyu

from audit.dataset.truth import Truth
from audit.diagnostics.initialisation import untrained
from audit.model.network import Network

MULTIPLICATIONS = 2e10
"""Spent on a reading at most, about a second; of more samples than that allows, some are taken evenly."""
_LEAST = 100
"""Samples looked at, however large the network."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network says of some samples; all arrays are (n,)."""

    sureness: NDArray[np.float64]
    """Output of the class it says, less the next best one; the absolute output of a network with one output."""
    confidence: NDArray[np.float64]
    """Probability of the class it says, by softmax or the logistic function."""
    right: NDArray[np.bool_] | None = None
    """Whether that class is the label's; None without labels."""
    margin: NDArray[np.float64] | None = None
    """Output of the label's class, less the best of the others; None without labels."""
    loss: NDArray[np.float64] | None = None
    """Cross-entropy, in nats; None without labels."""

    def __len__(self) -> int:
        return len(self.sureness)


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
    members = answers(network, *some(truth.members, truth.labels, most))
    controls = None
    if len(truth.controls):
        controls = answers(network, *some(truth.controls, truth.control_labels, most))
    majority = None if truth.labels is None else float(np.bincount(truth.labels).max() / len(truth.labels))
    return Reading(
        members, controls, majority, _tests(members, controls, majority), untrained(network.weights)
    )


def affordable(network: Network, passes: int) -> int:
    """How many samples there is time for, in so many passes through a network."""
    return max(_LEAST, int(MULTIPLICATIONS / (passes * network.parameters.size)))


def some(
    inputs: NDArray[np.float32], labels: NDArray[np.int64] | None, most: int
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    """Take samples (n, d) and their labels at even distances, so many at most."""
    if len(inputs) <= most:
        return inputs, labels
    rows = np.linspace(0, len(inputs) - 1, most).astype(int)
    return inputs[rows], None if labels is None else labels[rows]


def answers(network: Network, inputs: NDArray[np.float32], labels: NDArray[np.int64] | None) -> Answers:
    """Run a network on samples (n, d) with labels (n,), if they are known.

    Outputs that are not finite, as of a network read as another one, are taken for 0.
    """
    with torch.no_grad():
        tensor = torch.from_numpy(np.ascontiguousarray(inputs)).to(network.weights[0])
        outputs = network.forward(tensor).double().cpu().numpy()
    outputs = np.nan_to_num(outputs, nan=0.0, posinf=0.0, neginf=0.0)
    if outputs.shape[1] == 1:
        outputs = np.hstack([-outputs / 2, outputs / 2])  # the logistic function is a softmax of these two
    highest = np.sort(outputs, axis=1)[:, -2:]
    sureness, said = highest[:, 1] - highest[:, 0], outputs.argmax(axis=1)
    logarithms = outputs - np.logaddexp.reduce(outputs, axis=1, keepdims=True)
    confidence = np.exp(logarithms.max(axis=1))
    if labels is None:
        return Answers(sureness, confidence)
    rows = np.arange(len(outputs))
    others = outputs.copy()
    others[rows, labels] = -np.inf
    margin = outputs[rows, labels] - others.max(axis=1)
    return Answers(sureness, confidence, said == labels, margin, -logarithms[rows, labels])


def _tests(members: Answers, controls: Answers | None, majority: float | None) -> Tests:
    chance = fewer = higher = surer = less = None
    if members.right is not None and majority is not None:
        chance = float(binomtest(int(members.right.sum()), len(members), majority, "greater").pvalue)
    if controls is not None:
        surer = _higher(members.sureness, controls.sureness)
        less = _higher(controls.sureness, members.sureness)
        if members.right is not None and controls.right is not None:
            right = np.array([members.right.sum(), controls.right.sum()])
            table = np.array([right, [len(members), len(controls)] - right]).T
            fewer = float(fisher_exact(table, "less").pvalue)
        if members.margin is not None and controls.margin is not None:
            higher = _higher(controls.margin, members.margin)
    return Tests(chance, fewer, higher, surer, less)


def _higher(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """One-sided p-value for our values being the higher ones."""
    return float(mannwhitneyu(ours, theirs, alternative="greater").pvalue)
