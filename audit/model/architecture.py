"""Which MLP a checkpoint holds, from the names and shapes of its tensors.

Every matrix is a layer, (outputs, inputs) as PyTorch's Linear stores it, and every vector the bias of the
matrix it is named like. The order of the layers is that of their names or of the file, provided that each
layer takes what the one before gives; failing that, the only order that the shapes allow. What does not fit
is refused by name, never ignored: a tensor left out would be a different network.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from audit.errors import ArchitectureError
from audit.model.activations import activation
from audit.model.checkpoint import FLOAT_TYPES, Checkpoint
from audit.model.preprocessing import Preprocessing

_Shape = tuple[int, int]  # (inputs, outputs): from, to

_ONE_MLP = "only plain chains of linear layers can be audited"
_FOLD = f"fold the normalisation into the linear layers first: {_ONE_MLP}"

# (pattern of tensor names, what such a tensor is, what to do)
_FOREIGN = (
    (
        r"(weight|bias)_(g|v|u|orig|mask)$|parametrizations",
        "part of a parametrised weight",
        "fold it first, e.g. with torch.nn.utils.parametrize.remove_parametrizations or prune.remove",
    ),
    (r"running_(mean|var)$|num_batches_tracked$", "a batch normalisation buffer", _FOLD),
    (r"(weight|bias)_[ih]h", "part of a recurrent layer", _ONE_MLP),
    (
        r"in_proj_(weight|bias)$|(^|[._])(qkv|[qkv]_proj|query|key|\w*attn|\w*attention)[._]",
        "attention",
        _ONE_MLP,
    ),
    (r"(^|[._])(\w*embeddings?|embed_tokens|wte|wpe)([._]|$)", "an embedding", _ONE_MLP),
    (
        r"(^|[._])(mean|std)$",
        "input normalisation",
        "pass --mean and --std, and save the checkpoint without it",
    ),
)

# Words that tell where a layer stands when no number does.
_FIRST = frozenset({"in", "input", "stem", "first", "enc", "encoder"})
_LAST = frozenset({"out", "output", "head", "dec", "decoder", "classifier", "logits", "last", "final"})
_COPY = r"(^|[._])(ema|swa|avg|average|averaged|shadow|target|teacher|copy|backup|old|best)([._]|$)"


@dataclass(frozen=True)
class Layer:
    """One linear layer."""

    weight: str
    """Name of the weight tensor, (outputs, inputs)."""
    bias: str | None
    """Name of the bias tensor, (outputs,); None when the layer has none."""
    outputs: int
    """Units of the layer."""
    inputs: int
    """Values that every unit takes."""


@dataclass(frozen=True)
class Architecture:
    """One MLP: linear layers with an activation between each two."""

    layers: tuple[Layer, ...]
    """First to last, at least two."""
    activation: str
    """Canonical name, as `audit.model.activations.activation` reads it."""
    notes: tuple[str, ...]
    """What was assumed for the user, in words that name the option which says otherwise."""

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


def infer_architecture(checkpoint: Checkpoint, activation: str | None) -> Architecture:
    """Find the layers of a checkpoint and their order.

    Parameters
    ----------
    checkpoint:
        Its tensors may have any prefix and any names; only names, shapes and types are looked at.
    activation:
        The user's word; None takes the checkpoint's metadata `activation`, else assumes ReLU and notes it.

    Raises
    ------
    ArchitectureError
        When the tensors are not one MLP with a hidden layer (it names the tensor), or the activation is
        unknown or has an impossible parameter.
    """
    layers = _layers(checkpoint.tensors)
    _refuse_copies(layers)
    if len(layers) == 1:
        problem = f"{layers[0].weight} is the only layer: a linear model has no hidden layer"
        raise ArchitectureError(problem, "pass an MLP: these attacks need at least one hidden layer")
    ordered, order_notes = _order(layers)
    name, activation_notes = _activation(checkpoint.metadata, activation)
    return Architecture(ordered, name, order_notes + activation_notes)


def check_input(architecture: Architecture, image: Preprocessing) -> None:
    """Check that images have as many values as the first layer takes.

    Raises
    ------
    ArchitectureError
        When they do not; it shows both numbers.
    """
    first = architecture.layers[0]
    if image.size == first.inputs:
        return
    if image.is_table:
        raise ArchitectureError(
            f"the rows have {image.size} columns, {first.weight} takes {first.inputs}",
            "give the columns that the model was trained on, in that order; class numbers belong into a column "
            "'label'",
        )
    shape = ",".join(str(length) for length in image.shape)
    problem = f"--input-shape {shape} has {image.size} values, {first.weight} takes {first.inputs}"
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


def _layers(tensors: Mapping[str, torch.Tensor]) -> list[Layer]:
    """Pair matrices with their biases, in the order of the file."""
    for name, tensor in tensors.items():
        _refuse_foreign(name, tensor)
    biases: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            biases[_weight_of(name, tensor, tensors)] = name
    layers = [
        Layer(name, biases.get(name), *tensor.shape) for name, tensor in tensors.items() if tensor.ndim == 2
    ]
    if not layers:
        raise ArchitectureError("the checkpoint holds no weight matrix", f"check the file: {_ONE_MLP}")
    return layers


def _refuse_foreign(name: str, tensor: torch.Tensor) -> None:
    shape = "x".join(str(length) for length in tensor.shape) or "scalar"
    for pattern, kind, remedy in _FOREIGN:
        if re.search(pattern, name):
            raise ArchitectureError(f"not one MLP: {name} ({shape}) is {kind}", remedy)
    if tensor.ndim not in (1, 2):
        kind = "a convolution" if tensor.ndim in (3, 4, 5) else "neither a weight matrix nor a bias"
        raise ArchitectureError(f"not one MLP: {name} ({shape}) is {kind}", _ONE_MLP)
    if tensor.ndim == 2 and name.rpartition(".")[2] == "bias":
        raise ArchitectureError(f"not one MLP: {name} ({shape}) is a matrix, expected a vector", _ONE_MLP)
    if tensor.ndim == 1 and name.rpartition(".")[2] == "weight":
        problem = f"not one MLP: {name} ({shape}) is a vector, as in a normalisation layer or PReLU"
        raise ArchitectureError(problem, _FOLD)
    if tensor.dtype not in FLOAT_TYPES:
        expected = ", ".join(str(kind).removeprefix("torch.") for kind in FLOAT_TYPES)
        problem = f"{name} is stored as {str(tensor.dtype).removeprefix('torch.')}, expected {expected}"
        raise ArchitectureError(problem, "save the weights as floating-point numbers")
    if tensor.numel() == 0:
        raise ArchitectureError(f"{name} ({shape}) has no values", "check how the checkpoint was saved")


def _weight_of(name: str, bias: torch.Tensor, tensors: Mapping[str, torch.Tensor]) -> str:
    """Find the matrix that a vector is the bias of: `fc1.weight` for `fc1.bias`, `W1` for `b1`."""
    for short, long in (("bias", "weight"), ("b", "W"), ("b", "w")):
        weight = long.join(name.rsplit(short, 1))
        matrix = tensors.get(weight)
        if weight != name and matrix is not None and matrix.ndim == 2:
            if len(bias) != len(matrix):
                problem = f"{name} has {len(bias)} values, {weight} has {len(matrix)} outputs"
                raise ArchitectureError(problem, "check how the checkpoint was saved")
            return weight
    expected = f", expected {'weight'.join(name.rsplit('bias', 1))}" if "bias" in name else ""
    problem = f"not one MLP: {name} ({len(bias)} values) belongs to no weight matrix{expected}"
    raise ArchitectureError(
        problem, f"save the checkpoint without it if the model does not need it: {_ONE_MLP}"
    )


def _refuse_copies(layers: Sequence[Layer]) -> None:
    """Refuse the same layers under two prefixes, if one is named like a copy or the whole is no chain."""
    shapes = {layer.weight: (layer.outputs, layer.inputs) for layer in layers}
    chained = _chains(sorted(layers, key=_by_name))
    prefixes = {name[: dot.end()] for name in shapes for dot in re.finditer(r"\.", name)}
    for one in sorted(prefixes, key=lambda prefix: (-len(prefix), prefix)):
        held = {name.removeprefix(one): shape for name, shape in shapes.items() if name.startswith(one)}
        for other in ("", *sorted(prefixes - {one})):
            same = len(held) > 1 and all(shapes.get(other + name) == shape for name, shape in held.items())
            if same and (not chained or re.search(_COPY, f"{one} {other}")):
                where = " and ".join(f'"{prefix}"' for prefix in sorted((one, other)))
                names = " and ".join(prefix + min(held) for prefix in sorted((one, other)))
                problem = f"not one MLP: the same layers are held under {where} ({names})"
                raise ArchitectureError(problem, "save one copy, the one that is to be released")


def _order(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Put layers in order, with a note when neither their names nor their shapes alone decide it."""
    named = sorted(layers, key=_by_name)
    if _chains(named) and all(_comparable(one, other) for one, other in pairwise(named)):
        return tuple(named), ()
    # Safetensors files list their tensors by letter, which says nothing.
    if _chains(layers) and list(layers) != sorted(layers, key=lambda layer: layer.weight):
        return tuple(layers), (f"layers taken in the order of the file: {_names(layers)}",)
    ordered = _order_by_shape(named)
    distinct = len({(layer.inputs, layer.outputs) for layer in layers}) == len(layers)
    note = f"layers ordered by their shapes, those of one shape by name: {_names(ordered)}"
    return tuple(ordered), () if distinct and ordered == named else (note,)


def _by_name(layer: Layer) -> tuple[int, list[tuple[int, str]]]:
    """Sort first layers first, last ones last, and numbers as numbers."""
    words = set(re.split(r"[._\d]+", layer.weight.lower()))
    parts = re.findall(r"\d+|\D+", layer.weight)
    natural = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return bool(words & _LAST) - bool(words & _FIRST), natural


def _comparable(one: Layer, other: Layer) -> bool:
    """Whether the names say which layer comes first: by role, or by number alone."""
    template = [re.sub(r"\d+", "#", layer.weight) for layer in (one, other)]
    return _by_name(one)[0] != _by_name(other)[0] or template[0] == template[1]


def _chains(layers: Sequence[Layer]) -> bool:
    return all(before.outputs == after.inputs for before, after in pairwise(layers))


def _order_by_shape(named: Sequence[Layer]) -> list[Layer]:
    """Find the only order in which every layer takes what the one before gives.

    Layers of one shape are interchangeable for the shapes: they keep the order of their names.
    """
    waiting: dict[_Shape, list[Layer]] = {}
    for layer in named:
        waiting.setdefault((layer.inputs, layer.outputs), []).append(layer)
    ordered: list[Layer] = []
    while waiting:
        left = Counter({shape: len(layers) for shape, layers in waiting.items()})
        fitting = [shape for shape in waiting if not ordered or shape[0] == ordered[-1].outputs]
        possible = [shape for shape in fitting if _chainable(left, shape)]
        if not possible:
            raise _broken_chain(named)
        if len(possible) > 1:
            choice = " or ".join(waiting[shape][0].weight for shape in possible)
            place = f"after {ordered[-1].weight}" if ordered else "first"
            problem = f"the order of the layers is ambiguous: {choice} may come {place}"
            raise ArchitectureError(problem, "name the layers by number, such as 0.weight, 2.weight")
        ordered.append(waiting[possible[0]].pop(0))
        waiting = {shape: layers for shape, layers in waiting.items() if layers}
    return ordered


def _chainable(left: Counter[_Shape], first: _Shape) -> bool:
    """Whether all the layers left form one chain that begins with `first`: an Eulerian trail over sizes."""
    rest = left - Counter([first])
    size = first[1]
    degree: Counter[int] = Counter()
    for (inputs, outputs), count in rest.items():
        degree[inputs] += count
        degree[outputs] -= count
    unbalanced = {node: surplus for node, surplus in degree.items() if surplus}
    balanced = not unbalanced or (sorted(unbalanced.values()) == [-1, 1] and unbalanced.get(size) == 1)
    reached, frontier = {size}, [size]
    while frontier:
        node = frontier.pop()
        fresh = {outputs for inputs, outputs in rest if inputs == node} - reached
        reached |= fresh
        frontier += fresh
    return balanced and all(inputs in reached for inputs, _ in rest)


def _broken_chain(named: Sequence[Layer]) -> ArchitectureError:
    """Say where the chain breaks, in the order of names that breaks least."""
    orders = (named, sorted(named, key=lambda layer: _by_name(layer)[1]))
    runs = min((_runs(order) for order in orders), key=len)
    before, after = runs[0][-1], runs[1][0]
    problem = f"{after.weight} expects {after.inputs} inputs, {before.weight} gives {before.outputs}"
    if all(len(run) > 1 for run in runs):
        chains = ", ".join(f"{run[0].weight} to {run[-1].weight}" for run in runs)
        problem = f"not one MLP but {len(runs)} chains of layers ({chains}): {problem}"
    return ArchitectureError(problem, f"save the tensors of one chain: {_ONE_MLP}")


def _runs(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Cut an order of layers where it does not chain."""
    runs = [[layers[0]]]
    for layer in layers[1:]:
        if layer.inputs == runs[-1][-1].outputs:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return runs


def _names(layers: Sequence[Layer]) -> str:
    return ", ".join(layer.weight for layer in layers)
