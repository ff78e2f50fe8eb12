"""How the networks under attack are trained: one function per method, chosen by name in `METHODS`.

| method | loss                                   | descent                                | attacker holds        |
|--------|----------------------------------------|----------------------------------------|-----------------------|
| margin | logarithm of the summed logistic loss  | full batch, from a small first layer   | weights               |
| delta  | mean((Phi - y)^2), y = -1 or 1         | full batch, PyTorch's initialisation   | weights before, after |
| decay  | mean((Phi - y)^2) + wd/2 ||theta||^2   | full batch, until it is stationary     | weights               |
| adam   | cross-entropy, wd theta in the gradient| Adam, mini-batches                     | weights               |
| tuned  | cross-entropy                          | full batch, from a pretrained network  | weights before, after |

`margin` and the MSE methods have a bias in the first layer only, as in the papers; `adam` and `tuned` have them
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from audit.diagnostics.training import log_loss, soft_margins
from tests.benchmarks.recipes import Recipe
from tests.benchmarks.stationarity import residual

State = dict[str, Tensor]
"""fc1.weight, fc1.bias, fc2.weight and so on, input first; a bias may be missing."""
Layers = list[tuple[Tensor, Tensor | None]]
"""Weight (out, in) and bias (out,) or None of every layer, input first."""

ADAM_RATE = 1e-3
ADAM_STEPS = 2_000
"""`decay` begins with so many."""
PRETRAINING_STEPS = 1_000
"""`tuned` begins with so many, by Adam."""
BATCH = 32
CHECK_EVERY = 100
"""Steps between two looks at whether training is finished."""


@dataclass(frozen=True, eq=False)
class Data:
    """What a network is trained on, network units."""

    inputs: Tensor
    """(n, d)"""
    labels: Tensor
    """(n,), class numbers."""
    public_inputs: Tensor
    """(p, d): what `tuned` is pretrained on; (0, d) otherwise."""
    public_labels: Tensor
    """(p,)"""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network."""

    final: State
    initial: State | None
    """Where it started, if the attacker is to know."""


def forward(state: State, inputs: Tensor) -> Tensor:
    """Outputs (n, c) of the ReLU network for inputs (n, d)."""
    values = inputs
    for index, (weight, bias) in enumerate(layers(state)):
        values = functional.linear(functional.relu(values) if index else values, weight, bias)
    return values


def layers(state: State) -> Layers:
    """Arrange a state dict by layers."""
    depth = sum(name.endswith(".weight") for name in state)
    return [(state[f"fc{i}.weight"], state.get(f"fc{i}.bias")) for i in range(1, depth + 1)]


def loss(recipe: Recipe, state: State, inputs: Tensor, labels: Tensor) -> Tensor:
    """Mean loss, (), without weight decay."""
    outputs = forward(state, inputs)
    if recipe.loss == "mse":
        return (outputs[:, 0] - (2 * labels - 1)).square().mean()
    return functional.softplus(-soft_margins(outputs, labels)).mean()


def train_network(recipe: Recipe, data: Data, seed: int) -> Trained:
    """Train as the recipe says."""
    return METHODS[recipe.method](recipe, data, seed)


def measure(recipe: Recipe, state: State, data: Data) -> dict[str, float]:
    """Loss, smallest margin (y Phi for one output), and for `decay` how nearly it is stationary (0: it is)."""
    with torch.no_grad():
        margins = soft_margins(forward(state, data.inputs), data.labels)
        record = {
            "loss": float(f"{float(loss(recipe, state, data.inputs, data.labels)):.3g}"),
            "smallest_margin": round(float(margins.min()), 2),
        }
    if recipe.method == "decay":
        first, bias, head = state.values()
        left = residual(first, bias, head[0], data.inputs, 2 * data.labels - 1, recipe.weight_decay)
        record["relative_residual"] = float(f"{left:.3g}")
    return record


def train(
    inputs: Tensor,
    labels: Tensor,
    *,
    hidden: int,
    outputs: int,
    rate: float,
    margin: float,
    most_steps: int,
    seed: int = 0,
) -> State:
    """Descend the logarithm of the summed logistic loss at a constant rate, which the targets' figures are of.

    From a first layer of standard deviation 1e-4 until the smallest margin is reached, or for `most_steps`.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = 1e-4 * torch.randn(hidden, inputs.shape[1], generator=generator)
    head = torch.randn(outputs, hidden, generator=generator) / hidden**0.5
    state = _free({"fc1.weight": weight, "fc1.bias": torch.zeros(hidden), "fc2.weight": head})
    descent = torch.optim.SGD(state.values(), lr=rate)
    for _ in range(most_steps):
        margins = soft_margins(forward(state, inputs), labels)
        if float(margins.detach().min()) > margin:
            break
        _step(descent, log_loss(margins))
    return _detached(state)


def _margin(recipe: Recipe, data: Data, seed: int) -> Trained:
    final = train(
        data.inputs,
        data.labels,
        hidden=recipe.hidden,
        outputs=recipe.outputs,
        rate=recipe.learning_rate,
        most_steps=recipe.steps,
        margin=recipe.margin,
        seed=seed,
    )
    return Trained(final, None)


def _delta(recipe: Recipe, data: Data, seed: int) -> Trained:
    initial = _initial(recipe, data.inputs.shape[1], seed)
    return Trained(_descend(recipe, initial, data), initial)


def _decay(recipe: Recipe, data: Data, seed: int) -> Trained:
    """Adam, then gradient descent with momentum, the rates falling to 0, in double precision.

    Where the loss with weight decay is stationary, the first layer lies in the span of the inputs; so only that
    part of it is trained, in an orthonormal basis (the rest would decay to 0).
    """
    inputs = data.inputs.double()
    basis = torch.linalg.qr(inputs.T)[0]
    state = _free({name: tensor.double() for name, tensor in _initial(recipe, inputs.shape[1], seed).items()})
    state["fc1.weight"] = (state["fc1.weight"].detach() @ basis).requires_grad_()
    inputs, parameters, wd = inputs @ basis, list(state.values()), recipe.weight_decay
    for descent, steps in (
        (torch.optim.Adam(parameters, lr=ADAM_RATE, weight_decay=wd), ADAM_STEPS),
        (torch.optim.SGD(parameters, lr=recipe.learning_rate, momentum=0.997, weight_decay=wd), recipe.steps),
    ):
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(descent, steps)
        for _ in range(steps):
            _step(descent, loss(recipe, state, inputs, data.labels))
            slower.step()
    final = {**_detached(state), "fc1.weight": state["fc1.weight"].detach() @ basis.T}
    return Trained({name: tensor.float().contiguous() for name, tensor in final.items()}, None)


def _adam(recipe: Recipe, data: Data, seed: int) -> Trained:
    initial = _initial(recipe, data.inputs.shape[1], seed)
    return Trained(_mini_batches(recipe, initial, data.inputs, data.labels, recipe.steps, seed), None)


def _tuned(recipe: Recipe, data: Data, seed: int) -> Trained:
    fresh = _initial(recipe, data.inputs.shape[1], seed)
    initial = _mini_batches(recipe, fresh, data.public_inputs, data.public_labels, PRETRAINING_STEPS, seed)
    return Trained(_descend(recipe, initial, data), initial)


METHODS: dict[str, Callable[[Recipe, Data, int], Trained]] = {
    "margin": _margin,
    "delta": _delta,
    "decay": _decay,
    "adam": _adam,
    "tuned": _tuned,
}


def _descend(recipe: Recipe, initial: State, data: Data) -> State:
    """Plain full-batch gradient descent at a constant rate until the loss is small enough."""
    state = _free(initial)
    descent = torch.optim.SGD(state.values(), lr=recipe.learning_rate)
    for step in range(recipe.steps):
        value = loss(recipe, state, data.inputs, data.labels)
        if step % CHECK_EVERY == 0 and float(value.detach()) < recipe.loss_below:
            break
        _step(descent, value)
    return _detached(state)


def _mini_batches(
    recipe: Recipe, initial: State, inputs: Tensor, labels: Tensor, steps: int, seed: int
) -> State:
    state = _free(initial)
    descent = torch.optim.Adam(state.values(), lr=ADAM_RATE, weight_decay=recipe.weight_decay)
    batches = _batches(len(inputs), torch.Generator().manual_seed(seed + 1))
    for _ in range(steps):
        batch = next(batches)
        _step(descent, loss(recipe, state, inputs[batch], labels[batch]))
    return _detached(state)


def _batches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(count, generator=generator).split(BATCH)


def _initial(recipe: Recipe, inputs: int, seed: int) -> State:
    """PyTorch's initialisation of nn.Linear: weights and biases U(-1, 1) / sqrt(inputs of the layer)."""
    generator = torch.Generator().manual_seed(seed)
    widths = [inputs, *[recipe.hidden] * recipe.hidden_layers, recipe.outputs]
    state: State = {}
    for number, (fan_in, fan_out) in enumerate(pairwise(widths), 1):
        bound = fan_in**-0.5
        state[f"fc{number}.weight"] = bound * (2 * torch.rand(fan_out, fan_in, generator=generator) - 1)
        if number == 1 or recipe.biases:
            state[f"fc{number}.bias"] = bound * (2 * torch.rand(fan_out, generator=generator) - 1)
    return state


def _step(descent: torch.optim.Optimizer, value: Tensor) -> None:
    descent.zero_grad()
    value.backward()
    descent.step()


def _free(state: State) -> State:
    return {name: tensor.clone().requires_grad_() for name, tensor in state.items()}


def _detached(state: State) -> State:
    return {name: tensor.detach() for name, tensor in state.items()}
