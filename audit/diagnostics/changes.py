"""The single changes that could mend a misreading: other activations, layouts, normalisations, orders of layers.

Each is another network, or the same samples as other inputs. Reports put its name into the option to pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise, permutations
from math import prod
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audit.dataset.truth import Truth
from audit.model.activations import activation
from audit.model.modality import ROWS
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.model.preprocessing import Preprocessing, pixel_by_pixel

ChangeKind = Literal["activation", "layout", "orientation", "normalisation", "channels", "order", "skip"]
Rows = NDArray[np.float32]
Forward = Callable[[Tensor], Tensor]

_ACTIVATIONS = (
    "relu",
    "tanh",
    "gelu",
    "sigmoid",
    "silu",
    "identity",
    "leaky_relu:0.2",
    "elu:1.0",
    "softplus:1.0",
    "selu",
    "polynomial:2",
    "polynomial:3",
)
"""The commoner ones first."""
_MOST_ORDERS = 23
"""Of layers that the shapes allow: all of four layers of one shape, but the one that was taken."""
_BYTE, _HALVES = np.float32(255), np.float32(2)
_STRETCH = np.float32(256)
"""Between pixels of 8 bits and of 16: the former, stored as the latter, are nearly black."""


@dataclass(frozen=True, eq=False)
class Change:
    """One change to how the network, or its inputs, were read."""

    kind: ChangeKind
    """What is changed."""
    value: str
    """To what."""
    forward: Forward
    """From inputs (n, d) to outputs (n, c)."""
    inputs: Callable[[Rows], Rows]
    """From normalised inputs (n, d), as they were read, to those that the network would be given."""


def changes(network: Network, truth: Truth, names: Sequence[str]) -> Iterator[Change]:
    """List all changes that the shapes of layers and of samples allow.

    Parameters
    ----------
    network:
        As it was read.
    truth:
        Members and controls, with the preprocessing that was stated.
    names:
        Of the layers' weights, first to last.
    """
    for kind, value, other in (*_activations(network), *_orders(network, names), *_skips(network)):
        yield Change(kind, value, other, _same)
    for kind, value, inputs in (*_arrangements(truth.preprocessing), *_normalisations(truth)):
        yield Change(kind, value, network.forward, inputs)


def _same(rows: Rows) -> Rows:
    return rows


# Of the network

_Named = tuple[ChangeKind, str, Forward]


def _activations(network: Network) -> Iterator[_Named]:
    for name in _ACTIVATIONS:
        if name != network.activation:
            yield "activation", name, Network(network.parameters, name, network.scales).forward


def _orders(network: Network, names: Sequence[str]) -> Iterator[_Named]:
    """Other orders of layers in which each takes what the one before gives."""
    shapes = [weight.shape for weight in network.weights]
    same: dict[torch.Size, list[int]] = {}
    for place, shape in enumerate(shapes):
        same.setdefault(shape, []).append(place)
    square = [places for shape, places in same.items() if len(places) > 1 and shape[0] == shape[1]]
    for places in square:
        for other in islice(permutations(places), 1, 1 + _MOST_ORDERS):
            order = list(range(len(shapes)))
            for place, taken in zip(places, other, strict=True):
                order[place] = taken
            weights = tuple(network.weights[place] for place in order)
            biases = tuple(network.biases[place] for place in order)
            forward = network.at(Parameters(weights, biases)).forward
            yield "order", ",".join(names[place] for place in order), forward


def _skips(network: Network) -> Iterator[_Named]:
    """Skip connections around layers, or pairs of layers, that give as many values as they take."""
    inner = [weight.shape for weight in network.weights[1:-1]]
    if any(shape[0] == shape[1] for shape in inner):
        yield "skip", "layers", partial(_around_layers, network)
    pairs = [(one[1], other[0]) for one, other in pairwise(inner)][::2]
    if inner and len(inner) % 2 == 0 and all(taken == given for taken, given in pairs):
        yield "skip", "pairs", partial(_around_pairs, network, stem=True, after=False)
        yield "skip", "pairs-linear-stem", partial(_around_pairs, network, stem=False, after=False)
        yield "skip", "pairs-activated", partial(_around_pairs, network, stem=True, after=True)


def _linear(network: Network, layer: int, entering: Tensor) -> Tensor:
    product, bias = entering @ network.weights[layer].mT, network.biases[layer]
    return product if bias is None else product + bias


def _around_layers(network: Network, inputs: Tensor) -> Tensor:
    function, current = activation(network.activation).function, inputs
    for layer, weight in enumerate(network.weights[:-1]):
        hidden = function(_linear(network, layer, current), None)
        current = hidden + current if layer and weight.shape[0] == weight.shape[1] else hidden
    return _linear(network, len(network.weights) - 1, current)


def _around_pairs(network: Network, inputs: Tensor, *, stem: bool, after: bool) -> Tensor:
    function, last = activation(network.activation).function, len(network.weights) - 1
    current = _linear(network, 0, inputs)
    current = function(current, None) if stem else current
    for layer in range(1, last, 2):
        inside = function(_linear(network, layer, current), None)
        current = current + _linear(network, layer + 1, inside)
        current = function(current, None) if after else current
    return _linear(network, last, current)


# Of the inputs

_Turned = tuple[ChangeKind, str, Callable[[Rows], Rows]]

_TURNS: Mapping[str, Callable[[Rows], Rows]] = {
    "transposed": lambda images: images.swapaxes(2, 3),
    "rotated 90": lambda images: np.rot90(images, 1, (2, 3)),
    "rotated 180": lambda images: np.rot90(images, 2, (2, 3)),
    "rotated 270": lambda images: np.rot90(images, 3, (2, 3)),
    "mirrored": lambda images: images[..., ::-1],
    "upside down": lambda images: images[..., ::-1, :],
}
"""Of images (n, c, h, w)."""


def _arrangements(preprocessing: Preprocessing) -> Iterator[_Turned]:
    """Other places for the values of an image."""
    if preprocessing.modality is ROWS:
        return
    shape = preprocessing.shape

    def arranged(turn: Callable[[Rows], Rows], rows: Rows) -> Rows:
        return np.ascontiguousarray(turn(rows.reshape(-1, *shape))).reshape(len(rows), -1)

    for name, turn in _TURNS.items():
        yield "orientation", name, partial(arranged, turn)
    if shape[0] > 1:
        there = pixel_by_pixel(shape)
        if preprocessing.layout == "chw":
            yield "layout", "hwc", partial(_ordered, np.argsort(there))
        else:
            yield "layout", "chw", partial(_ordered, there)
        yield "channels", "reversed", partial(_reverse_channels, preprocessing)


def _ordered(places: NDArray[np.int64], rows: Rows) -> Rows:
    return rows[:, places]


def _reverse_channels(preprocessing: Preprocessing, rows: Rows) -> Rows:
    """Reverse them before they are normalised, for that is stated in the order of the network."""
    return preprocessing.normalise(preprocessing.denormalise(rows)[..., ::-1])


def _inverted(preprocessing: Preprocessing, rows: Rows) -> Rows:
    """Dark for light."""
    return preprocessing.normalise(np.float32(1) - preprocessing.denormalise(rows))


def _normalisations(truth: Truth) -> Iterator[_Turned]:
    """Other preprocessing of the same values."""
    stated = truth.preprocessing
    mean, std = stated.mean, stated.std
    known = np.concatenate([truth.members, truth.controls]) * std + mean

    def renormalised(low: Rows, step: Rows, rows: Rows) -> Rows:
        return np.asarray((rows * std + mean - low) / step, dtype=np.float32)

    if stated.modality is not ROWS:
        yield "normalisation", "inverted", partial(_inverted, stated)
    for name, (low, step) in _normalisers(stated, known).items():
        if (step > 0).all() and not (np.allclose(low, mean) and np.allclose(step, std)):
            yield "normalisation", name, partial(renormalised, low, step)


def _normalisers(stated: Preprocessing, known: Rows) -> dict[str, tuple[Rows, Rows]]:
    """By name, what to subtract and to divide by, (d,) each; `known` are values (n, d) in their own units."""
    zero, one = np.zeros_like(stated.mean), np.ones_like(stated.std)
    found: dict[str, tuple[Rows, Rows]] = {
        "none": (zero, one),
        "mean": (stated.mean, one),
        "std": (zero, stated.std),
        "swapped": (stated.std, stated.mean),
    }
    if stated.modality is ROWS:
        low, high = known.min(axis=0), known.max(axis=0)
        return found | {
            "own": (known.mean(axis=0), _positive(known.std(axis=0))),
            "range": (low, _positive(high - low)),
        }
    channels = known.reshape(len(known), stated.shape[0], -1)
    spread = prod(stated.shape[1:])
    own_mean: Rows = np.repeat(channels.mean(axis=(0, 2)), spread)
    own_std: Rows = np.repeat(_positive(channels.std(axis=(0, 2))), spread)
    of_images: dict[str, tuple[Rows, Rows]] = {
        "0..255": (zero, one / _BYTE),
        "-1..1": (one / _HALVES, one / _HALVES),
        "stretched": (stated.mean / _STRETCH, stated.std / _STRETCH),
        "own": (own_mean, own_std),
    }
    return found | of_images


def _positive(steps: Rows) -> Rows:
    """Steps, with 1 for what does not vary."""
    return np.where(steps > 0, steps, np.float32(1))
