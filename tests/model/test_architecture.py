from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from audit.errors import ArchitectureError
from audit.model.activations import KNOWN
from audit.model.architecture import (
    check_input,
    check_same_layers,
    infer_architecture,
)
from audit.model.checkpoint import Checkpoint, load_checkpoint
from audit.model.layers import Layer
from audit.model.preprocessing import parse_preprocessing
from tests.model.support import checkpoint, infer, refusal, state

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


# Not one MLP


def test_a_linear_model_is_refused() -> None:
    message = refusal({"fc.weight": (10, 784), "fc.bias": (10,)})
    assert "fc.weight is the only layer" in message
    assert "hidden layer" in message


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
