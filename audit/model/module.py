"""The activation of a module, read off its parts; which network its tensors form, `architecture` finds out."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from audit.errors import ArchitectureError
from audit.model.activations import KNOWN, activation

_ROWS = 8
"""Random inputs at which a module is compared with a chain of its layers."""
_TRIED = (
    "relu",
    "tanh",
    "gelu",
    "gelu_tanh",
    "sigmoid",
    "silu",
    "leaky_relu:0.01",
    "leaky_relu:0.2",
    "elu:1.0",
    "softplus:1.0",
    "selu",
    "polynomial:2",
    "polynomial:3",
    "identity",
)
_PARAMETERS = {"LeakyReLU": "negative_slope", "ELU": "alpha", "Softplus": "beta"}
"""By class, the attribute that its activation's parameter is."""


def module_activation(model: nn.Module) -> str | None:
    """Name the activation between the linear layers of a module.

    Parameters
    ----------
    model:
        Any module. What comes after its last linear layer, such as a softmax, is no hidden activation.

    Returns
    -------
    str | None
        As `--activation` takes it; None where no part is an activation, for it may be a function.

    Raises
    ------
    ArchitectureError
        When there are several, one that cannot be audited, or one that was registered after the layers, so that
        its place among them is not known.
    """
    parts = list(model.modules())
    linear = [place for place, part in enumerate(parts) if isinstance(part, nn.Linear)]
    hidden = [part for part in parts[: linear[-1] if linear else 0] if _is_activation(part)]
    names = list(dict.fromkeys(map(_name, hidden)))
    if not names:
        _refuse_unordered(model)
    if len(names) > 1:
        raise ArchitectureError(
            f"the module has several activations: {', '.join(names)}",
            "only networks with one activation can be audited",
        )
    return names[0] if names else None


def computed_activation(model: nn.Module) -> str | None:
    """Name the activation with which a chain of a module's linear layers computes what the module does.

    For modules that apply it as a function. Compared at a few random inputs, up to a softmax, its logarithm or a
    sigmoid at the end.

    Returns
    -------
    str | None
        As `--activation` takes it; None where the module takes no rows of inputs, or computes something else.
    """
    layers = [part for part in model.modules() if isinstance(part, nn.Linear)]
    if not layers:
        return None
    like = layers[0].weight
    rows = torch.randn(_ROWS, like.shape[1], generator=torch.Generator().manual_seed(0)).to(like)
    try:
        with torch.no_grad():
            given = copy.deepcopy(model).eval()(rows)
            return next((name for name in _TRIED if _agree(given, _chain(layers, rows, name))), None)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return None  # its inputs or outputs have another form


def _chain(layers: Sequence[nn.Linear], rows: Tensor, name: str) -> Tensor:
    function = activation(name).function
    *hidden, last = layers
    for layer in hidden:
        rows = function(layer(rows), None)
    outputs: Tensor = last(rows)
    return outputs


def _agree(given: Tensor, outputs: Tensor) -> bool:
    forms = (outputs, outputs.softmax(-1), outputs.log_softmax(-1), outputs.sigmoid())
    flat = given.reshape(len(outputs), -1)
    return any(
        form.shape == flat.shape and torch.allclose(flat, form, rtol=1e-3, atol=1e-5) for form in forms
    )


def _refuse_unordered(model: nn.Module) -> None:
    """Refuse a module whose only activations come last, unless a sequence shows that they are applied last."""
    for parent in model.modules():
        for part in () if isinstance(parent, nn.Sequential) else parent.children():
            if (
                _is_activation(part)
                and not isinstance(part, nn.Softmax | nn.LogSoftmax)
                and part is not model
            ):
                raise ArchitectureError(
                    f"the module has the activation {type(part).__name__}, registered after its linear layers, so "
                    "where it is applied is not known",
                    "state the one of the hidden layers, as in activation='relu'",
                )


def _is_activation(part: nn.Module) -> bool:
    return type(part).__module__ == "torch.nn.modules.activation" or isinstance(part, nn.Softplus)


def _name(part: nn.Module) -> str:
    kind = type(part).__name__
    if isinstance(part, nn.GELU) and part.approximate == "tanh":
        return "gelu_tanh"
    parameter = _PARAMETERS.get(kind)
    name = kind.lower() if parameter is None else f"{kind.lower()}:{getattr(part, parameter):g}"
    try:
        return activation(name).name
    except ValueError as error:
        raise ArchitectureError(
            f"the module has the activation {kind}, which cannot be audited", f"known are {', '.join(KNOWN)}"
        ) from error
