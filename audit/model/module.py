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
        When there are several, or one that cannot be audited.
    """
    parts = list(model.modules())
    linear = [place for place, part in enumerate(parts) if isinstance(part, nn.Linear)]
    hidden = [part for part in parts[: linear[-1] if linear else 0] if _is_activation(part)]
    names = list(dict.fromkeys(map(_name, hidden)))
    if len(names) > 1:
        raise ArchitectureError(
            f"the module has several activations: {', '.join(names)}",
            "only networks with one activation can be audited",
        )
    return names[0] if names else None


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
