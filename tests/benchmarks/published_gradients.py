"""The published attacks on a gradient: DLG, with iDLG's label, and Geiping et al.

Sources: Zhu et al. 2019 (arXiv 1906.08935, mit-han-lab/dlg), Zhao et al. 2020 (iDLG, arXiv 2001.02610), Geiping
et al. 2020 (arXiv 2003.14053, JonasGeiping/invertinggradients); written anew from the papers' equations and the
settings of these programs. For dummy inputs x (b, d) of which the gradient of the mean cross-entropy is g(x, y),
and the observed one g*,

    DLG       minimises ||g(x, softmax(s)) - g*||^2 over x and s, both from N(0, 1), by L-BFGS
    Geiping   minimises 1 - <g(x, y), g*> / (||g(x, y)|| ||g*||) + 1e-4 TV(x) over x in the box, by signed Adam

Both begin anew until their time ends. Both are told the size of the batch, Geiping the labels as well.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tests.benchmarks.training import Layers

SOLVED = 1e-10
"""Loss of DLG, relative to ||g*||^2, below which no other restart is needed."""
STEPS, ITERATIONS_A_STEP = 300, 20
"""Of L-BFGS in one run of DLG: the program's loop, and PyTorch's default in each turn of it."""
PATIENCE, PROGRESS = 5, 0.99
"""A run of DLG ends early where so many steps brought the lowest loss to no less than this share of it."""
ITERATIONS = 4_800
RATE, DECAY, MILESTONES = 0.1, 0.1, (3 / 8, 5 / 8, 7 / 8)
TV_WEIGHT = 1e-4

Clock = Callable[[], float]


@dataclass(frozen=True, eq=False)
class Seen:
    """What both attackers hold."""

    layers: Layers
    """The network."""
    activate: Callable[[Tensor], Tensor]
    """Of its hidden layers."""
    gradient: list[Tensor]
    """g*: of every layer weight, then bias if there is one."""
    batch: int
    """Its size b."""

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.layers[0][0].shape[1]

    @property
    def squared(self) -> float:
        """||g*||^2."""
        return sum(float(tensor.square().sum()) for tensor in self.gradient)


@dataclass(frozen=True, eq=False)
class Run:
    """One restart."""

    name: str
    """Which variant."""
    images: NDArray[np.float32]
    """(b, d), network units: those of the lowest loss for DLG, the last ones for Geiping."""
    loss: float
    """DLG: squared distance over ||g*||^2; Geiping: cosine distance, without TV. Infinite if never finite."""
    evaluations: int
    """Of the gradient."""


def dummy_gradient(seen: Seen, inputs: Tensor, labels: Tensor) -> list[Tensor]:
    """g(x, y): gradient of the mean cross-entropy, differentiable in x and y.

    Parameters
    ----------
    seen:
        Its network.
    inputs:
        (b, d).
    labels:
        (b,) class numbers, or (b, c) probabilities.
    """
    free = [
        (w.detach().requires_grad_(), b if b is None else b.detach().requires_grad_()) for w, b in seen.layers
    ]
    values = inputs
    for index, (weight, bias) in enumerate(free):
        values = functional.linear(seen.activate(values) if index else values, weight, bias)
    loss = functional.cross_entropy(values, labels)
    tensors = [tensor for layer in free for tensor in layer if tensor is not None]
    return list(torch.autograd.grad(loss, tensors, create_graph=True))


def only_label(seen: Seen) -> Tensor:
    """iDLG: the label (1,) of a batch of one, whose row of the last weight's gradient alone is negative."""
    weights = [tensor for tensor in seen.gradient if tensor.dim() == 2]
    return weights[-1].sum(1).argmin().reshape(1)


def dlg(seen: Seen, *, seconds: float, seed: int, clock: Clock = time.perf_counter) -> list[Run]:
    """Attack as Zhu et al. and, a batch of one, by turns as Zhao et al. with the label known.

    L-BFGS as in the programs takes full steps, which often throw it far off on our networks; every other run has
    PyTorch's line search instead, which their authors did without.

    Parameters
    ----------
    seen:
        What the attacker holds.
    seconds:
        Wall-clock, looked at in every evaluation; it ends earlier when solved.
    seed:
        Of the starts.
    clock:
        In seconds.

    Returns
    -------
    list[Run]
        In the order they ran.
    """
    deadline = clock() + seconds
    generator = torch.Generator().manual_seed(seed)
    labels = {"dlg": None, "idlg": only_label(seen)} if seen.batch == 1 else {"dlg": None}
    runs: list[Run] = []
    for search, name in itertools.cycle(itertools.product((None, "strong_wolfe"), labels)):
        start = torch.randn(seen.batch, seen.inputs, generator=generator)
        soft = torch.randn(seen.batch, seen.layers[-1][0].shape[0], generator=generator)
        descent = _Descent(seen, start, soft, labels[name], deadline, clock)
        descent.run(search)
        title = name if search is None else f"{name}, line search"
        runs.append(Run(title, descent.best.numpy(), descent.lowest, descent.evaluations))
        if descent.lowest < SOLVED or clock() >= deadline:
            break
    return runs


class _Done(Exception):  # noqa: N818 - no error: L-BFGS has no other way out of a step
    """Raised in an evaluation that ends a run."""


class _Descent:
    """One run of DLG."""

    def __init__(
        self, seen: Seen, start: Tensor, soft: Tensor, labels: Tensor | None, deadline: float, clock: Clock
    ) -> None:
        self.seen, self.labels, self.deadline, self.clock = seen, labels, deadline, clock
        self.inputs, self.soft = start.clone().requires_grad_(), soft.requires_grad_()
        self.unknowns = [self.inputs, self.soft] if labels is None else [self.inputs]
        self.squared = seen.squared
        self.best, self.lowest, self.evaluations = start, math.inf, 0

    def run(self, search: str | None) -> None:
        """Descend until the loop, the time or progress ends."""
        # The default tolerances are absolute and would end it before it is solved.
        descent = torch.optim.LBFGS(
            self.unknowns,
            max_iter=ITERATIONS_A_STEP,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn=search,
        )
        lowest: list[float] = []
        try:
            for _ in range(STEPS):
                descent.step(self.evaluate)
                lowest.append(self.lowest)
                if len(lowest) > PATIENCE and lowest[-1] > PROGRESS * lowest[-1 - PATIENCE]:
                    return
        except _Done:
            return

    def evaluate(self) -> Tensor:
        """Squared distance of the gradients, and its derivatives."""
        if self.evaluations and self.clock() >= self.deadline:
            raise _Done
        self.evaluations += 1
        labels = self.soft.softmax(-1) if self.labels is None else self.labels
        found = dummy_gradient(self.seen, self.inputs, labels)
        loss = torch.stack(
            [(f - g).square().sum() for f, g in zip(found, self.seen.gradient, strict=True)]
        ).sum()
        relative = float(loss.detach()) / self.squared
        if relative < self.lowest:
            self.best, self.lowest = self.inputs.detach().clone(), relative
        if not math.isfinite(relative) or relative < SOLVED:
            raise _Done
        for unknown, slope in zip(self.unknowns, torch.autograd.grad(loss, self.unknowns), strict=True):
            unknown.grad = slope
        return loss.detach()


def total_variation(images: Tensor) -> Tensor:
    """Mean step to the next pixel, rightwards plus downwards, (); images (b, c, h, w)."""
    return images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()


def cosine_distance(found: list[Tensor], observed: list[Tensor]) -> Tensor:
    """One minus the cosine between two gradients, all their tensors taken as one vector, ()."""
    pairs = list(zip(found, observed, strict=True))
    product = torch.stack([(f * g).sum() for f, g in pairs]).sum()
    squares = [torch.stack([t.square().sum() for t in tensors]).sum() for tensors in (found, observed)]
    return 1 - product / (squares[0].sqrt() * squares[1].sqrt())


def geiping(
    seen: Seen,
    labels: Tensor,
    shape: tuple[int, int, int],
    box: tuple[NDArray, NDArray],
    *,
    seconds: float,
    seed: int,
    clock: Clock = time.perf_counter,
) -> list[Run]:
    """Attack as Geiping et al., knowing the labels.

    A run has 4,800 iterations, or as many as there is time for: the rate falls where 3/8, 5/8 and 7/8 of the
    iterations or of the time are over, whichever comes first.

    Parameters
    ----------
    seen:
        What the attacker holds.
    labels:
        (b,), the true ones.
    shape:
        Channels, height and width of an image.
    box:
        Lowest and highest inputs, (d,) each, network units.
    seconds:
        Wall-clock, looked at in every iteration.
    seed:
        Of the starts.
    clock:
        In seconds.

    Returns
    -------
    list[Run]
        In the order they ran.
    """
    deadline = clock() + seconds
    generator = torch.Generator().manual_seed(seed)
    low, high = (torch.from_numpy(bound) for bound in box)
    runs: list[Run] = []
    while not runs or clock() < deadline:
        inputs = torch.randn(seen.batch, seen.inputs, generator=generator).requires_grad_()
        descent, distance, taken = torch.optim.Adam([inputs], lr=RATE), math.inf, 0
        for share in _shares(deadline, clock):
            descent.param_groups[0]["lr"] = RATE * DECAY ** sum(
                share >= milestone for milestone in MILESTONES
            )
            cosine = cosine_distance(dummy_gradient(seen, inputs, labels), seen.gradient)
            loss = cosine + TV_WEIGHT * total_variation(inputs.unflatten(1, shape))
            inputs.grad = torch.autograd.grad(loss, inputs)[0].sign()
            descent.step()
            with torch.no_grad():
                inputs.clamp_(low, high)
            distance, taken = float(cosine.detach()), taken + 1
        runs.append(Run("geiping", inputs.detach().numpy(), distance, taken))
    return runs


def _shares(deadline: float, clock: Clock) -> Iterator[float]:
    """How much of a run is over, before every iteration: at least one, at most `ITERATIONS`."""
    began = clock()
    for iteration in range(ITERATIONS):
        over = (clock() - began) / max(deadline - began, 1e-9)
        if iteration and over >= 1:
            return
        yield max(iteration / ITERATIONS, over)
