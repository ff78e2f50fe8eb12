"""The activation of a module, read off its parts; which network its tensors form, `architecture` finds out."""

from __future__ import annotations

from torch import nn

from audit.errors import ArchitectureError
from audit.model.activations import KNOWN, activation

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
