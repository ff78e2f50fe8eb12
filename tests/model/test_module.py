"""The activation that a module's parts show."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from audit.errors import ArchitectureError
from audit.model.module import computed_activation, module_activation


def mlp(*between: nn.Module, last: nn.Module | None = None) -> nn.Module:
    parts: list[nn.Module] = [nn.Flatten(), nn.Linear(4, 5)]
    for part in between:
        parts += [part, nn.Linear(5, 5)]
    return nn.Sequential(*parts, *([last] if last else []))


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (nn.ReLU(), "relu"),
        (nn.LeakyReLU(0.2), "leaky_relu:0.2"),
        (nn.ELU(1.5), "elu:1.5"),
        (nn.SELU(), "selu"),
        (nn.GELU(), "gelu"),
        (nn.GELU(approximate="tanh"), "gelu_tanh"),
        (nn.SiLU(), "silu"),
        (nn.Softplus(beta=3), "softplus:3.0"),
        (nn.Tanh(), "tanh"),
        (nn.Sigmoid(), "sigmoid"),
    ],
)
def test_every_activation_of_torch_that_can_be_audited_is_named(part: nn.Module, name: str) -> None:
    assert module_activation(mlp(part, part)) == name


@pytest.mark.parametrize("last", [nn.Sigmoid(), nn.Softmax(dim=1), nn.LogSoftmax(dim=1)])
def test_what_follows_the_last_layer_is_no_hidden_activation(last: nn.Module) -> None:
    assert module_activation(mlp(nn.ReLU(), last=last)) == "relu"


def test_a_module_that_calls_functions_shows_none() -> None:
    assert module_activation(nn.ModuleList([nn.Linear(4, 5), nn.Linear(5, 1)])) is None
    assert module_activation(nn.ReLU()) is None


def test_several_activations_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="relu, tanh"):
        module_activation(mlp(nn.ReLU(), nn.Tanh()))


def test_an_unknown_activation_is_refused_by_name() -> None:
    with pytest.raises(ArchitectureError, match="PReLU"):
        module_activation(mlp(nn.PReLU()))


class Registered(nn.Module):
    """Its parts in the order in which they are given, which need not be that of their application."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        for place, part in enumerate(parts):
            self.add_module(f"part{place}", part)


def test_an_activation_registered_after_the_layers_is_not_taken_for_the_output_s() -> None:
    with pytest.raises(ArchitectureError, match="Tanh, registered after its linear layers"):
        module_activation(Registered(nn.Linear(4, 5), nn.Linear(5, 1), nn.Tanh()))
    assert module_activation(Registered(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())) == "relu"
    assert module_activation(Registered(nn.Linear(4, 5), nn.Linear(5, 3), nn.Softmax(dim=1))) is None
    assert module_activation(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 1), nn.Sigmoid())) is None


class Functional(nn.Module):
    """Two hidden layers, whose activation is no part of the module."""

    def __init__(
        self, function: Callable[[Tensor], Tensor], last: Callable[[Tensor], Tensor], *, skip: bool
    ) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.function, self.last, self.skip = function, last, skip

    def forward(self, rows: Tensor) -> Tensor:
        hidden = self.function(self.first(rows.flatten(1)))
        inner = self.function(self.second(nn.functional.dropout(hidden, training=self.training)))
        return self.last(self.head(inner + hidden if self.skip else inner))


def same(outputs: Tensor) -> Tensor:
    return outputs


@pytest.mark.parametrize(
    ("function", "name"),
    [(torch.relu, "relu"), (torch.tanh, "tanh"), (nn.functional.silu, "silu"), (same, "identity")],
)
@pytest.mark.parametrize("last", [same, lambda outputs: outputs.log_softmax(-1), torch.sigmoid])
def test_an_activation_that_is_a_function_is_computed(
    function: Callable[[Tensor], Tensor], name: str, last: Callable[[Tensor], Tensor]
) -> None:
    model = Functional(function, last, skip=False)
    assert module_activation(model) is None
    assert computed_activation(model) == name
    assert model.training


def test_what_is_no_chain_has_no_activation() -> None:
    assert computed_activation(Functional(torch.relu, same, skip=True)) is None
    assert computed_activation(Functional(torch.cos, same, skip=False)) is None
    assert computed_activation(nn.ReLU()) is None
    assert computed_activation(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))) is None
