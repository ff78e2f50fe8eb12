"""Which MLP a checkpoint holds, from the names and shapes of its tensors.

Every matrix is a layer, (outputs, inputs) as PyTorch's Linear stores it, and every vector the bias of the
matrix it is named like. The order of the layers is that of their names or of the file, provided that each
layer takes what the one before gives; failing that, the only order that the shapes allow. What does not fit
is refused by name, never ignored: a tensor left out would be a different network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.errors import ArchitectureError
from audit.model.activations import activation
from audit.model.checkpoint import Checkpoint
from audit.model.layer_order import order_layers, refuse_copies, stated_order
from audit.model.layers import Layer, find_layers
from audit.model.modality import LAYOUTS, ROWS, Layout
from audit.model.preprocessing import Preprocessing

_LINEAR = (
    "without activations the network is linear: its weights and gradients hold one sum of samples for each output, "
    "in which more samples than outputs cannot be told apart"
)


@dataclass(frozen=True)
class Architecture:
    """One MLP: linear layers with an activation between each two."""

    layers: tuple[Layer, ...]
    """First to last, at least two."""
    activation: str
    """Canonical name, as `audit.model.activations.activation` reads it."""
    notes: tuple[str, ...]
    """What was assumed for the user, in words that name the option which says otherwise."""
    chosen: bool = False
    """Whether the user or the checkpoint stated the layers and their order."""
    layout: Layout | None = None
    """In which order the checkpoint says that images are flattened; None where it does not say."""

    @property
    def interchangeable(self) -> bool:
        """Whether the layers could come in another order, by their shapes."""
        square = [layer.inputs for layer in self.layers if layer.inputs == layer.outputs]
        return len(set(square)) < len(square)

    @property
    def inputs(self) -> int:
        """Values d that the network takes."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Values that the network gives."""
        return self.layers[-1].outputs

    @property
    def sizes(self) -> str:
        """Values from layer to layer, as 784-1000-10."""
        return "-".join(map(str, [self.inputs, *(layer.outputs for layer in self.layers)]))

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(layer.outputs * (layer.inputs + (layer.bias is not None)) for layer in self.layers)

    @property
    def biases(self) -> tuple[bool, ...]:
        """Whether each layer has a bias, first to last."""
        return tuple(layer.bias is not None for layer in self.layers)

    @property
    def bias_free(self) -> bool:
        """Whether no layer has a bias: with a homogeneous activation, so is the network."""
        return not any(self.biases)

    @property
    def two_layer(self) -> bool:
        """Whether there is exactly one hidden layer."""
        return len(self.layers) == 2


def infer_architecture(
    checkpoint: Checkpoint, activation: str | None, order: Sequence[str] | None = None
) -> Architecture:
    """Find the layers of a checkpoint and their order.

    Parameters
    ----------
    checkpoint:
        Its tensors may have any prefix and any names; only names, shapes and types are looked at.
    activation:
        The user's word; None takes the checkpoint's metadata `activation`, else assumes ReLU and notes it.
    order:
        Weight tensors of the layers, first to last; None takes the checkpoint's metadata `layers`, else finds the
        order. Matrices that it does not name are left out, which is noted.

    Raises
    ------
    ArchitectureError
        When the tensors are not one MLP with a hidden layer (it names the tensor), or the activation is
        unknown or has an impossible parameter, or the stated order names what is no layer or no chain.
    """
    layers = find_layers(checkpoint.tensors)
    if order is None and (word := checkpoint.metadata.get("layers")) is not None:
        order = [name.strip() for name in word.split(",")]
    if order is not None:
        ordered, order_notes = stated_order(layers, order)
    else:
        refuse_copies(layers)
        _refuse_single(layers)
        ordered, order_notes = order_layers(layers)
    _refuse_single(ordered)
    name, activation_notes = _activation(checkpoint.metadata, activation)
    if name == "identity":
        activation_notes = (*activation_notes, _LINEAR)
    notes = order_notes + activation_notes
    return Architecture(ordered, name, notes, order is not None, _layout(checkpoint.metadata))


def _refuse_single(layers: Sequence[Layer]) -> None:
    if len(layers) == 1:
        problem = f"{layers[0].weight} is the only layer: a linear model has no hidden layer"
        raise ArchitectureError(problem, "pass an MLP: these attacks need at least one hidden layer")


def check_input(architecture: Architecture, preprocessing: Preprocessing) -> None:
    """Check that images have as many values as the first layer takes.

    Raises
    ------
    ArchitectureError
        When they do not; it shows both numbers.
    """
    first = architecture.layers[0]
    if preprocessing.size == first.inputs:
        return
    if preprocessing.modality is ROWS:
        raise ArchitectureError(
            f"the rows have {preprocessing.size} columns, {first.weight} takes {first.inputs}",
            "give the columns that the model was trained on, in that order; labels belong into a column 'label'",
        )
    shape = ",".join(str(length) for length in preprocessing.shape)
    problem = f"--input-shape {shape} has {preprocessing.size} values, {first.weight} takes {first.inputs}"
    sides = [(c, math.isqrt(first.inputs // c)) for c in (1, 3)]
    fitting = [f"{c},{side},{side}" for c, side in sides if c * side * side == first.inputs]
    example = f" (for example {fitting[0]})" if fitting else ""
    remedy = f"pass the shape that the model was trained on: C,H,W with C*H*W = {first.inputs}{example}"
    raise ArchitectureError(problem, remedy)


def check_same_layers(final: Architecture, initial: Architecture, final_path: str, initial_path: str) -> None:
    """Check that two checkpoints hold the same layers, whatever their tensors are called.

    Raises
    ------
    ArchitectureError
        When they do not; it names the first tensor that differs, with both shapes.
    """
    remedy = "pass the weights from which this model was trained: the same layers, before training"
    if len(final.layers) != len(initial.layers):
        counts = {initial_path: initial.layers, final_path: final.layers}
        (short, few), (long, many) = sorted(counts.items(), key=lambda entry: len(entry[1]))
        unmatched = many[len(few)].weight
        problem = (
            f"{long} has {len(many)} layers, {short} has {len(few)}: nothing in it belongs to {unmatched}"
        )
        raise ArchitectureError(problem, remedy)
    for after, before in zip(final.layers, initial.layers, strict=True):
        if (after.outputs, after.inputs) != (before.outputs, before.inputs):
            found, expected = (f"{layer.outputs}x{layer.inputs}" for layer in (before, after))
            problem = (
                f"{before.weight} is {found} in {initial_path}, {after.weight} is {expected} in {final_path}"
            )
            raise ArchitectureError(problem, remedy)
        if (after.bias is None) != (before.bias is None):
            where, other = (initial_path, final_path) if after.bias is None else (final_path, initial_path)
            extra, name = (before.bias, after.weight) if after.bias is None else (after.bias, before.weight)
            raise ArchitectureError(f"{where} has {extra}, but {name} has no bias in {other}", remedy)


def _layout(metadata: Mapping[str, str]) -> Layout | None:
    word = metadata.get("layout")
    found = next((layout for layout in LAYOUTS if layout == word), None)
    if word is not None and found is None:
        problem = f'the checkpoint\'s metadata: layout "{word}" is unknown (known: {", ".join(LAYOUTS)})'
        raise ArchitectureError(problem, "correct it; --layout says how images are flattened")
    return found


def _activation(metadata: Mapping[str, str], stated: str | None) -> tuple[str, tuple[str, ...]]:
    word = stated if stated is not None else metadata.get("activation")
    if word is None:
        return "relu", ("activation not stated: ReLU assumed; pass --activation if it differs",)
    try:
        return activation(word).name, ()
    except ValueError as error:
        where = "--activation" if stated is not None else "the checkpoint's metadata: activation"
        remedy = "pass a known --activation if the model computes it"
        raise ArchitectureError(f"{where} {error}", remedy) from error
