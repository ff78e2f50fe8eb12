from collections.abc import Mapping
from itertools import pairwise, permutations
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from audit.errors import ArchitectureError
from audit.model.activations import KNOWN
from audit.model.architecture import (
    Architecture,
    check_input,
    check_same_layers,
    infer_architecture,
)
from audit.model.checkpoint import Checkpoint, load_checkpoint
from audit.model.layers import Layer
from audit.model.preprocessing import parse_preprocessing


def checkpoint(shapes: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Checkpoint:
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    return Checkpoint(Path("model.pt"), tensors, metadata or {}, "0" * 64)


def infer(shapes: Mapping[str, tuple[int, ...]], activation: str | None = "relu") -> Architecture:
    return infer_architecture(checkpoint(shapes), activation)


def order(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [layer.weight for layer in infer(shapes).layers]


def refusal(shapes: Mapping[str, tuple[int, ...]], activation: str | None = None) -> str:
    with pytest.raises(ArchitectureError) as raised:
        infer(shapes, activation)
    message = str(raised.value)
    assert "\n" not in message
    return message


DEEP = {"a.0.weight": (5, 8), "a.1.weight": (4, 5), "a.2.weight": (3, 4)}
SHALLOW = {"b.0.weight": (5, 8), "b.1.weight": (3, 5)}


@pytest.mark.parametrize(
    ("final", "initial", "words"),
    [
        (DEEP, SHALLOW, "after.pt has 3 layers, before.pt has 2: nothing in it belongs to a.2.weight"),
        (SHALLOW, DEEP, "before.pt has 3 layers, after.pt has 2: nothing in it belongs to a.2.weight"),
    ],
)
def test_a_layer_too_many_is_named(
    final: dict[str, tuple[int, ...]], initial: dict[str, tuple[int, ...]], words: str
) -> None:
    with pytest.raises(ArchitectureError) as raised:
        check_same_layers(infer(final), infer(initial), "after.pt", "before.pt")
    assert raised.value.problem == words


# What is inferred


def test_layers_and_properties() -> None:
    found = infer({"0.weight": (5, 8), "0.bias": (5,), "2.weight": (3, 5)})
    assert found.layers == (Layer("0.weight", "0.bias", 5, 8), Layer("2.weight", None, 3, 5))
    assert (found.inputs, found.outputs, found.parameters) == (8, 3, 5 * 8 + 5 + 3 * 5)
    assert found.biases == (True, False)
    assert found.two_layer
    assert not found.bias_free
    assert found.activation == "relu"
    assert found.notes == ()


def test_deep_network_without_biases() -> None:
    found = infer({"0.weight": (5, 8), "2.weight": (5, 5), "4.weight": (1, 5)})
    assert found.bias_free
    assert not found.two_layer
    assert found.biases == (False, False, False)


@pytest.mark.parametrize(
    "model",
    [
        torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
        ),
        torch.nn.DataParallel(
            torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_networks_that_pytorch_saved(tmp_path: Path, model: torch.nn.Module, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    if suffix == ".pt":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    found = infer_architecture(load_checkpoint(path), None)
    assert [(layer.outputs, layer.inputs) for layer in found.layers] == [(4, 6), (2, 4)]
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())


def state(*between: torch.nn.Module, outputs: int = 3) -> Checkpoint:
    """What a network with these modules after its first layer saves."""
    first, last = torch.nn.Linear(16, 16), torch.nn.Linear(16, outputs)
    model = torch.nn.Sequential(first, *between, torch.nn.Linear(16, 16), *between, last)
    return Checkpoint(Path("m"), model.state_dict(), {}, "")


def test_dropout_leaves_gaps_in_the_numbers_only() -> None:
    found = infer_architecture(state(torch.nn.ReLU(), torch.nn.Dropout(0.3)), "relu")
    assert [layer.weight for layer in found.layers] == ["0.weight", "3.weight", "6.weight"]
    assert found.notes == ()


@pytest.mark.parametrize("outputs", [1, 2, 10, 1000])
def test_any_number_of_outputs(outputs: int) -> None:
    assert infer_architecture(state(torch.nn.GELU(), outputs=outputs), "gelu").outputs == outputs


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_floating_type_is_accepted(kind: torch.dtype) -> None:
    tensors = {"0.weight": torch.zeros(4, 6, dtype=kind), "2.weight": torch.zeros(1, 4, dtype=kind)}
    assert infer_architecture(Checkpoint(Path("m"), tensors, {}, ""), None).inputs == 6


# Activation


def test_activation_is_stated_in_the_metadata_or_assumed() -> None:
    shapes = {"0.weight": (5, 8), "2.weight": (3, 5)}
    assert infer(shapes, " ReLU").notes == ()
    assert infer_architecture(checkpoint(shapes, {"activation": "relu"}), None).notes == ()
    assumed = infer(shapes, None)
    assert assumed.activation == "relu"
    assert assumed.notes == ("activation not stated: ReLU assumed; pass --activation if it differs",)


def test_unknown_activation_names_the_known_and_the_nearest() -> None:
    message = refusal({"0.weight": (5, 8), "2.weight": (3, 5)}, "rellu")
    assert f'--activation "rellu" is unknown (known: {", ".join(KNOWN)}; nearest: relu)' in message


@pytest.mark.parametrize(
    ("word", "canonical"),
    [("GELU", "gelu"), ("LeakyReLU", "leaky_relu:0.01"), ("Swish", "silu"), ("x^3", "polynomial:3")],
)
def test_activation_is_canonical(word: str, canonical: str) -> None:
    shapes = {"0.weight": (5, 8), "2.weight": (3, 5)}
    assert infer(shapes, word).activation == canonical
    assert infer_architecture(checkpoint(shapes, {"activation": word}), None).activation == canonical


def test_impossible_parameter_shows_what_was_found_and_expected() -> None:
    message = refusal({"0.weight": (5, 8), "2.weight": (3, 5)}, "polynomial:12")
    assert '--activation "polynomial:12" has the degree "12", expected a whole number from 2 to 9' in message


def test_unknown_activation_in_the_metadata() -> None:
    saved = checkpoint({"0.weight": (5, 8), "2.weight": (3, 5)}, {"activation": "snake"})
    with pytest.raises(ArchitectureError, match='metadata: activation "snake" is unknown'):
        infer_architecture(saved, None)
    assert infer_architecture(saved, "relu").activation == "relu"


# Order of layers


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


# Not one MLP


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


def test_a_linear_model_is_refused() -> None:
    message = refusal({"fc.weight": (10, 784), "fc.bias": (10,)})
    assert "fc.weight is the only layer" in message
    assert "hidden layer" in message


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("1.weight", (5,), "a vector, as in a normalisation layer or PReLU"),
        ("1.running_mean", (5,), "a batch normalisation buffer"),
        ("1.num_batches_tracked", (), "a batch normalisation buffer"),
        ("0.weight_g", (5, 1), "part of a parametrised weight"),
        ("0.weight_orig", (5, 8), "part of a parametrised weight"),
        ("0.parametrizations.weight.original0", (5, 1), "part of a parametrised weight"),
        ("conv.weight", (4, 3, 3, 3), "(4x3x3x3) is a convolution"),
        ("rnn.weight_ih_l0", (5, 5), "part of a recurrent layer"),
        ("attn.in_proj_weight", (15, 5), "attention"),
        ("self_attn.q_proj.weight", (5, 5), "attention"),
        ("query.weight", (5, 5), "attention"),
        ("token_embedding.weight", (5, 5), "an embedding"),
        ("wte.weight", (5, 5), "an embedding"),
        ("normalize.mean", (3,), "input normalisation"),
        ("scale", (), "(scalar) is neither a weight matrix nor a bias"),
        ("2.bias", (1, 3), "a matrix, expected a vector"),
        ("9.bias", (5,), "belongs to no weight matrix, expected 9.weight"),
        ("gain", (5,), "belongs to no weight matrix"),
    ],
)
def test_foreign_tensors_are_named(name: str, shape: tuple[int, ...], kind: str) -> None:
    message = refusal({"0.weight": (5, 8), "2.weight": (3, 5), name: shape})
    assert f"not one MLP: {name}" in message
    assert kind in message


@pytest.mark.parametrize(
    ("module", "tensor"),
    [
        (torch.nn.BatchNorm1d(16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.BatchNorm1d(16, affine=False), "1.running_mean (16) is a batch normalisation buffer"),
        (torch.nn.LayerNorm(16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.RMSNorm(16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.GroupNorm(4, 16), "1.weight (16) is a vector, as in a normalisation layer"),
        (torch.nn.PReLU(), "1.weight (1) is a vector, as in a normalisation layer or PReLU"),
        (torch.nn.PReLU(16), "1.weight (16) is a vector, as in a normalisation layer or PReLU"),
        (torch.nn.Conv1d(1, 4, 3), "1.weight (4x1x3) is a convolution"),
        (torch.nn.Conv2d(1, 4, 3), "1.weight (4x1x3x3) is a convolution"),
        (torch.nn.Conv3d(1, 4, 3, bias=False), "1.weight (4x1x3x3x3) is a convolution"),
    ],
)
@pytest.mark.parametrize("by_letter", [False, True])
def test_modules_that_are_no_linear_layers_are_named(
    module: torch.nn.Module, tensor: str, by_letter: bool
) -> None:
    tensors = state(module, torch.nn.ReLU()).tensors
    # Safetensors files list their tensors by letter.
    saved = dict(sorted(tensors.items())) if by_letter else tensors
    with pytest.raises(ArchitectureError) as raised:
        infer_architecture(Checkpoint(Path("m"), saved, {}, ""), None)
    message = str(raised.value)
    assert "not one MLP: 1." in message
    assert "only plain chains of linear layers can be audited" in message
    assert by_letter or tensor in message


def test_names_that_only_resemble_foreign_ones() -> None:
    names = ["value.0.weight", "value.embed.weight", "value.mean_layer.weight", "value.out.weight"]
    assert order(dict(zip(names, [(5, 8), (4, 5), (3, 4), (2, 3)], strict=True))) == names


def test_bias_of_another_length_shows_both() -> None:
    message = refusal({"0.weight": (5, 8), "0.bias": (4,), "2.weight": (3, 5)})
    assert "0.bias has 4 values, 0.weight has 5 outputs" in message


def test_no_matrix_and_no_values() -> None:
    assert "no weight matrix" in refusal({})
    assert "0.weight (0x8) has no values" in refusal({"0.weight": (0, 8), "2.weight": (3, 0)})


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.bool, torch.complex64])
def test_types_that_are_not_floating_are_named(kind: torch.dtype) -> None:
    tensors = {"0.weight": torch.zeros(4, 6), "2.weight": torch.zeros(1, 4, dtype=kind)}
    with pytest.raises(ArchitectureError) as raised:
        infer_architecture(Checkpoint(Path("m"), tensors, {}, ""), None)
    assert f"2.weight is stored as {str(kind)[6:]}, expected float16" in str(raised.value)


# Image size


def test_image_size_fits_the_first_layer() -> None:
    architecture = infer({"fc1.weight": (5, 784), "fc2.weight": (3, 5)})
    check_input(architecture, parse_preprocessing((1, 28, 28), None, None))
    check_input(architecture, parse_preprocessing((16, 7, 7), None, None))


@pytest.mark.parametrize(
    ("inputs", "example"), [(3072, "for example 3,32,32"), (400, "for example 1,20,20"), (7, "= 7")]
)
def test_image_size_that_does_not_fit_shows_both(inputs: int, example: str) -> None:
    architecture = infer({"fc1.weight": (5, inputs), "fc2.weight": (3, 5)})
    with pytest.raises(ArchitectureError) as raised:
        check_input(architecture, parse_preprocessing((1, 28, 28), None, None))
    message = str(raised.value)
    assert f"--input-shape 1,28,28 has 784 values, fc1.weight takes {inputs}" in message
    assert example in message


# Properties

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
