"""The order of layers by their names, shapes and places in the file."""

from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import ArchitectureError
from audit.model.architecture import infer_architecture
from audit.model.layers import Layer
from tests.model.support import checkpoint, infer, order, refusal


def test_numbers_are_sorted_as_numbers() -> None:
    shapes = {f"fc{number}.weight": (4, 4) for number in (10, 2, 1, 9)}
    assert order(shapes) == ["fc1.weight", "fc2.weight", "fc9.weight", "fc10.weight"]


@pytest.mark.parametrize(
    "names",
    [
        ("hidden.weight", "head.weight"),
        ("encoder.weight", "decoder.weight"),
        ("zeta.weight", "alpha.weight"),
        ("W1", "W2"),
        ("input_layer.weight", "output_layer.weight"),
        ("features.0.weight", "classifier.weight"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_any_names(names: tuple[str, str], turned: bool) -> None:
    shapes = {names[0]: (5, 8), names[1]: (3, 5)}
    assert order(dict(reversed(shapes.items())) if turned else shapes) == list(names)


def test_roles_decide_what_shapes_leave_open() -> None:
    autoencoder = {
        "decoder.0.weight": (4, 2),
        "decoder.2.weight": (8, 4),
        "encoder.0.weight": (4, 8),
        "encoder.2.weight": (2, 4),
    }
    assert order(autoencoder) == [
        "encoder.0.weight",
        "encoder.2.weight",
        "decoder.0.weight",
        "decoder.2.weight",
    ]


def test_order_of_the_file_decides_what_names_and_shapes_leave_open() -> None:
    found = infer({"wide.weight": (8, 8), "thin.weight": (2, 8), "broad.weight": (8, 2)})
    assert [layer.weight for layer in found.layers] == ["wide.weight", "thin.weight", "broad.weight"]
    assert found.notes == ("layers taken in the order of the file: wide.weight, thin.weight, broad.weight",)


def test_shapes_decide_against_numbers_that_cannot_be() -> None:
    found = infer({"fc1.weight": (3, 5), "fc2.weight": (5, 8)})
    assert [layer.weight for layer in found.layers] == ["fc2.weight", "fc1.weight"]
    assert found.notes == (
        "layers ordered by their shapes, those of one shape by name: fc2.weight, fc1.weight",
    )


def test_square_layers_are_ordered_by_name() -> None:
    found = infer({"a.weight": (4, 4), "b.weight": (4, 4), "c.weight": (4, 6), "d.weight": (1, 4)})
    assert [layer.weight for layer in found.layers] == ["c.weight", "a.weight", "b.weight", "d.weight"]
    assert "those of one shape by name" in found.notes[0]


def test_ambiguous_order_names_the_choice() -> None:
    message = refusal({"apple.weight": (8, 2), "berry.weight": (2, 8)})
    assert "the order of the layers is ambiguous: apple.weight or berry.weight may come first" in message
    assert "number" in message
    # 6 -> 4, then 4 -> 4 before or after the detour over 5.
    detour = {
        "a.weight": (4, 6),
        "b.weight": (5, 4),
        "c.weight": (4, 5),
        "d.weight": (4, 4),
        "e.weight": (3, 4),
    }
    message = refusal(detour)
    assert "may come after a.weight" in message


def test_broken_chain_names_the_tensor_and_both_sizes() -> None:
    message = refusal({"fc1.weight": (300, 784), "fc2.weight": (300, 300), "fc3.weight": (10, 200)})
    assert "fc3.weight expects 200 inputs, fc2.weight gives 300" in message


def test_a_break_between_two_groups() -> None:
    message = refusal({"head.weight": (10, 100), "hidden.weight": (90, 784)})
    assert "head.weight expects 100 inputs, hidden.weight gives 90" in message


def test_separate_chains_are_named() -> None:
    message = refusal(
        {"a.0.weight": (5, 8), "a.2.weight": (3, 5), "b.0.weight": (6, 9), "b.2.weight": (2, 6)}
    )
    assert "2 chains of layers (a.0.weight to a.2.weight, b.0.weight to b.2.weight)" in message
    assert "b.0.weight expects 9 inputs, a.2.weight gives 3" in message


def test_chains_that_share_a_size_are_separate_too() -> None:
    message = refusal(
        {
            "actor.0.weight": (5, 8),
            "actor.2.weight": (2, 5),
            "critic.0.weight": (5, 8),
            "critic.2.weight": (1, 5),
        }
    )
    assert (
        "2 chains of layers (actor.0.weight to actor.2.weight, critic.0.weight to critic.2.weight)" in message
    )


def test_separate_chains_whose_names_tell_roles() -> None:
    message = refusal(
        {"a.fc.weight": (5, 8), "a.out.weight": (2, 5), "b.fc.weight": (6, 8), "b.out.weight": (1, 6)}
    )
    assert "2 chains of layers (a.fc.weight to a.out.weight, b.fc.weight to b.out.weight)" in message


@pytest.mark.parametrize("size", [3, 8])
@pytest.mark.parametrize(
    ("one", "other"),
    [("net.", "ema.net."), ("", "ema."), ("model.", "ema_model."), ("module.a.", "module.ema.")],
)
def test_copies_are_named(one: str, other: str, size: int) -> None:
    # With 8 outputs, the copy even chains on to the original.
    shapes = {"0.weight": (5, 8), "0.bias": (5,), "2.weight": (size, 5)}
    message = refusal({prefix + name: shape for prefix in (one, other) for name, shape in shapes.items()})
    assert "the same layers are held under" in message
    assert f'"{one}"' in message
    assert f'"{other}"' in message
    assert "save one copy" in message


def test_copies_without_a_telling_name() -> None:
    shapes = {f"{prefix}.{name}": (5, 8) for prefix in ("user", "item") for name in ("0.weight", "2.weight")}
    assert 'held under "item." and "user."' in refusal(shapes)


def test_repeated_blocks_are_no_copies() -> None:
    names = [f"block{block}.{layer}.weight" for block in (1, 2) for layer in (0, 2)]
    shapes = dict(zip(names, [(5, 8), (8, 5)] * 2, strict=True))
    assert order(shapes) == names


NUMBERED = ("{number}", "fc{number}", "layers.{number}.linear", "blocks.{number}", "dense_{number}")


PREFIXES = (
    "",
    "module.",
    "_orig_mod.",
    "module._orig_mod.",
    "net.",
    "model.layers.",
    "encoder.",
    "head.mlp.",
)


@st.composite
def truths(draw: st.DrawFn) -> tuple[tuple[Layer, ...], list[str]]:
    """Layers as a numbering network would name them, and its tensor names in some order."""
    depth = draw(st.integers(2, 6))
    widths = draw(st.lists(st.integers(1, 6), min_size=depth + 1, max_size=depth + 1))
    numbers = sorted(draw(st.sets(st.integers(0, 120), min_size=depth, max_size=depth)))
    stem = draw(st.sampled_from(PREFIXES)) + draw(st.sampled_from(NUMBERED))
    layers = []
    for number, inputs, outputs in zip(numbers, widths[:-1], widths[1:], strict=True):
        name = stem.format(number=number)
        bias = f"{name}.bias" if draw(st.booleans()) else None
        layers.append(Layer(f"{name}.weight", bias, outputs, inputs))
    names = [name for layer in layers for name in (layer.weight, layer.bias) if name is not None]
    return tuple(layers), draw(st.permutations(names))


def shapes_of(layers: tuple[Layer, ...], names: list[str]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {layer.weight: (layer.outputs, layer.inputs) for layer in layers}
    shapes |= {layer.bias: (layer.outputs,) for layer in layers if layer.bias is not None}
    return {name: shapes[name] for name in names}


@settings(max_examples=200, deadline=None)
@given(truths())
def test_numbered_layers_are_found_in_any_file_order(truth: tuple[tuple[Layer, ...], list[str]]) -> None:
    layers, names = truth
    found = infer(shapes_of(layers, names))
    assert found.layers == layers
    assert found.notes == ()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), depth=st.integers(2, 6))
def test_layers_of_any_name_are_found_by_distinct_widths(data: st.DataObject, depth: int) -> None:
    # Without e, k and t no foreign name such as key, wte or std can be spelled.
    word = st.text("abcdfghijlmnopqrsuvwxyz", min_size=3, max_size=6)
    words = data.draw(st.lists(word, min_size=depth, max_size=depth, unique=True))
    widths = data.draw(st.lists(st.integers(1, 40), min_size=depth + 1, max_size=depth + 1, unique=True))
    layers = tuple(
        Layer(f"m.{name}.weight", f"m.{name}.bias", outputs, inputs)
        for name, inputs, outputs in zip(words, widths[:-1], widths[1:], strict=True)
    )
    names = [name for layer in layers for name in (layer.weight, layer.bias) if name is not None]
    assert infer(shapes_of(layers, data.draw(st.permutations(names)))).layers == layers


@settings(max_examples=200, deadline=None)
@given(shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=5))
def test_letters_give_the_only_order_of_shapes_or_none(shapes: list[tuple[int, int]]) -> None:
    named = {f"{letter}.weight": shape for letter, shape in zip("abcde", shapes, strict=False)}
    chains = {
        sequence
        for sequence in permutations(shapes)
        if all(before[0] == after[1] for before, after in pairwise(sequence))
    }
    if len(chains) == 1:
        found = infer(named).layers
        assert [(layer.outputs, layer.inputs) for layer in found] == list(*chains)
        assert {layer.weight: (layer.outputs, layer.inputs) for layer in found} == named
    else:
        assert ("ambiguous" if chains else " inputs, ") in refusal(named)


SQUARE = {"alpha.weight": (4, 4), "beta.weight": (4, 4), "gamma.weight": (4, 6), "head.weight": (2, 4)}


def test_a_stated_order_is_taken() -> None:
    names = ["gamma.weight", "beta.weight", "alpha.weight", "head.weight"]
    found = infer_architecture(checkpoint(SQUARE), "relu", names)
    assert [layer.weight for layer in found.layers] == names
    assert (found.chosen, found.interchangeable, found.notes) == (True, True, ())
    short = [name.removesuffix(".weight") for name in names]
    assert infer_architecture(checkpoint(SQUARE), "relu", short).layers == found.layers
    stated = infer_architecture(checkpoint(SQUARE, {"layers": ", ".join(names)}), "relu")
    assert (stated.layers, stated.chosen) == (found.layers, True)
    assert not infer(SQUARE).chosen
    assert not infer({"a.weight": (4, 6), "b.weight": (2, 4)}).interchangeable


def test_matrices_that_are_not_named_are_left_out() -> None:
    found = infer_architecture(checkpoint(SQUARE), "relu", ["gamma.weight", "head.weight"])
    assert len(found.layers) == 2
    assert found.notes == ("left out, for --layers does not name them: alpha.weight, beta.weight",)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["gama.weight", "head.weight"],
            "'gama.weight', which is no weight matrix; did you mean 'gamma.weight'?",
        ),
        (["gamma.weight", "gamma.weight"], "--layers names 'gamma.weight' twice"),
        (["head.weight", "gamma.weight"], "gamma.weight expects 6 inputs, head.weight gives 2"),
        (["gamma.weight"], "gamma.weight is the only layer"),
    ],
)
def test_orders_that_cannot_be(names: list[str], words: str) -> None:
    with pytest.raises(ArchitectureError) as raised:
        infer_architecture(checkpoint(SQUARE), "relu", names)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
