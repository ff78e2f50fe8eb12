"""The order of layers: by name or place in the file where they fit each other, else by their shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from audit.errors import ArchitectureError, suggest
from audit.model.layers import ONE_MLP, Layer, layer_names

_Shape = tuple[int, int]  # (inputs, outputs): from, to


# Words that tell where a layer stands when no number does.
_FIRST = frozenset({"in", "input", "stem", "first", "enc", "encoder"})


_LAST = frozenset({"out", "output", "head", "dec", "decoder", "classifier", "logits", "last", "final"})


def order_layers(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Put layers in order, with a note when neither their names nor their shapes alone decide it."""
    named = sorted(layers, key=_by_name)
    if _chains(named) and all(_comparable(one, other) for one, other in pairwise(named)):
        return tuple(named), ()
    # Safetensors files list their tensors by letter, which says nothing.
    if _chains(layers) and list(layers) != sorted(layers, key=lambda layer: layer.weight):
        return tuple(layers), (f"layers taken in the order of the file: {layer_names(layers)}",)
    ordered = _order_by_shape(named)
    distinct = len({(layer.inputs, layer.outputs) for layer in layers}) == len(layers)
    note = f"layers ordered by their shapes, those of one shape by name: {layer_names(ordered)}"
    return tuple(ordered), () if distinct and ordered == named else (note,)


def stated_order(layers: Sequence[Layer], names: Sequence[str]) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Put layers in the order of the names of their weights, with a note on those that are left out.

    `.weight` at the end of a name may be left out.

    Raises
    ------
    ArchitectureError
        When a name is of no layer or comes twice, or a layer does not take what the one before gives.
    """
    known = {layer.weight: layer for layer in layers}
    names = [f"{name}.weight" if f"{name}.weight" in known else name for name in names]
    for place, name in enumerate(names):
        if name not in known:
            raise ArchitectureError(
                f"--layers names {name!r}, which is no weight matrix", suggest(name, known)
            )
        if name in names[:place]:
            raise ArchitectureError(f"--layers names {name!r} twice", "name every layer once, first to last")
    ordered = tuple(known[name] for name in names)
    for before, after in pairwise(ordered):
        if before.outputs != after.inputs:
            raise ArchitectureError(
                f"--layers: {after.weight} expects {after.inputs} inputs, {before.weight} gives {before.outputs}",
                "name the layers first to last, each taking what the one before gives",
            )
    rest = [layer for layer in layers if layer not in ordered]
    return ordered, (f"left out, for --layers does not name them: {layer_names(rest)}",) if rest else ()


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
    return ArchitectureError(problem, f"save the tensors of one chain: {ONE_MLP}")


def _runs(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Cut an order of layers where it does not chain."""
    runs = [[layers[0]]]
    for layer in layers[1:]:
        if layer.inputs == runs[-1][-1].outputs:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return runs


_COPY = r"(^|[._])(ema|swa|avg|average|averaged|shadow|target|teacher|copy|backup|old|best)([._]|$)"


def refuse_copies(layers: Sequence[Layer]) -> None:
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
