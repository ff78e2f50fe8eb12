"""A network small enough to be trained, attacked and judged within a test, and a solver that ignores the clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from audit.attacks import Attack, Observation, Prepared
from audit.battery import Outcome, reconstruct
from audit.battery.attempt import Attempt
from audit.budget import Budget, Clock
from audit.pipeline.demo import train
from audit.solve.base import Problem, Solution, Solver, Watcher
from audit.solve.descent import Descent
from audit.solve.splitting import SampleSplitting

SIDE, MEMBERS, CONTROLS, HIDDEN = 12, 4, 100, 100

torch.set_num_threads(
    1
)  # nothing here is large enough for two, and on a busy machine they wait for each other


@dataclass(frozen=True)
class Tiny:
    """Files of a tiny audit."""

    checkpoint: Path
    members: Path
    controls: Path
    mean: Path

    @property
    def arguments(self) -> list[str]:
        """Of `model-audit scan`, without controls."""
        return [str(self.checkpoint), "--data", str(self.members), "--mean", str(self.mean)]


@dataclass(frozen=True)
class Steps:
    """Stands in for `Restarts`: one batch of a fixed number of steps, so that results do not depend on speed."""

    classes: int
    splitting: bool
    steps: int
    watch: "Watch"
    candidates: int | None = None

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        count = self.candidates or 4 * max(self.classes, 2)
        descent = Descent(count=count, restarts=2, steps=self.steps)
        solver: Solver = SampleSplitting(descent) if self.splitting else descent
        solution = solver.minimise(problem, budget, generator, watch)
        self.watch.now += budget.left if budget.rounds is None else 1.0
        return solution


@dataclass
class Watch:
    """Stands still but for steps: the time given to a batch of them is over as soon as they are taken."""

    now: float = 0.0

    def __call__(self) -> float:
        self.now += 1e-4  # so that whatever waits without taking steps comes to an end
        return self.now

    def budget(
        self, seconds: float, clock: Clock, interrupted: Callable[[], bool], rounds: int | None
    ) -> Budget:
        return Budget(seconds, self, interrupted, rounds)


def fix_steps(monkeypatch: pytest.MonkeyPatch, steps: int = 120, candidates: int | None = None) -> None:
    """Let attacks take as many steps with every slice of their time, however long or short it is.

    Candidates are four for each class, if no number is given.
    """
    watch = Watch()

    def plan(attempt: Attempt, budget: Budget) -> Steps:
        return Steps(attempt.equation.classes, attempt.splitting, steps, watch, candidates)

    monkeypatch.setattr("audit.battery.attempt.plan_restarts", plan)
    monkeypatch.setattr("audit.pipeline.session.Budget", watch.budget)


_FOUND: dict[str, list[Outcome]] = {}
"""What attacks found, by all that they were given but the time."""


def attack_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests of what follows the attacks share what these found."""

    def remembered(
        seen: Observation,
        prepared: Mapping[Attack, Prepared],
        chosen: object,
        budget: Budget,
        seed: int,
        *rest: Any,
        **how: Any,
    ) -> list[Outcome]:
        networks = [network.parameters for network in (seen.network, seen.initial) if network is not None]
        parts = networks if seen.gradient is None else [*networks, seen.gradient]
        digest = sha256()
        for tensor in (seen.low, seen.high, *(tensor for part in parts for tensor in part.tensors)):
            digest.update(tensor.numpy().tobytes())
        asked = (
            seen.initial is None,
            seen.gradient is None,
            [attack.id for attack in prepared],
            chosen,
            seed,
            how,
        )
        key = f"{digest.hexdigest()} {seen.network.activation} {asked}"
        if key not in _FOUND:
            _FOUND[key] = reconstruct(seen, prepared, chosen, budget, seed, *rest, **how)
        return _FOUND[key]

    monkeypatch.setattr("audit.pipeline.session.reconstruct", remembered)


_DRAWN: dict[str, str] = {}
"""Plots, by what they show."""


def draw_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages with the same plots share them: drawing takes most of the time of a report."""
    from audit.render import plots

    def remembered(name: str, draw: Callable[..., str]) -> Callable[..., str]:
        def drawn(*shown: object) -> str:
            key = f"{name} {shown}"
            if key not in _DRAWN:
                _DRAWN[key] = draw(*shown)
            return _DRAWN[key]

        return drawn

    for name in (
        "similarity_histogram",
        "contribution_histogram",
        "loss_curves",
        "spectrum",
        "splitting_scatter",
    ):
        monkeypatch.setattr(plots, name, remembered(name, getattr(plots, name)))


def blobs(count: int, seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    """(count, side, side) sums of a few bumps, no two alike."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    height, row, column, width = (
        random.uniform(low, high, (4, count, 1, 1)) for low, high in [(-1, 1), (0, side), (0, side), (1, 3)]
    )
    images = (height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / width**2)).sum(0)
    images -= images.min((1, 2), keepdims=True)
    return np.round(255 * images / images.max((1, 2), keepdims=True)).astype(np.uint8)


def make(folder: Path, *, trained: bool = True) -> Tiny:
    """Write a network that leaks its members, or an untrained one, with members, controls and mean."""
    tiny = Tiny(
        folder / "model.safetensors", folder / "members.npz", folder / "controls.npz", folder / "mean.npy"
    )
    images, labels = blobs(MEMBERS + CONTROLS), np.arange(MEMBERS) % 2
    members = images[:MEMBERS]
    mean = (members / 255).mean(0).astype(np.float32)
    folder.mkdir(exist_ok=True)
    save_file(weights() if trained else untrained(), tiny.checkpoint, metadata={"activation": "relu"})
    np.savez(tiny.members, images=members, labels=labels)
    np.savez(tiny.controls, images=images[MEMBERS:])
    np.save(tiny.mean, mean)
    return tiny


@cache
def weights() -> dict[str, torch.Tensor]:
    """Of a network that has learnt its members by heart."""
    members = blobs(MEMBERS + CONTROLS)[:MEMBERS] / 255
    inputs = torch.from_numpy((members - members.mean(0)).reshape(MEMBERS, -1)).float()
    return train(inputs, torch.arange(MEMBERS) % 2, hidden=HIDDEN, margin=100.0)


def untrained() -> dict[str, torch.Tensor]:
    """Of a network as it is initialised."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(HIDDEN, SIDE * SIDE, generator=generator) / SIDE
    last = torch.randn(1, HIDDEN, generator=generator) / HIDDEN**0.5
    return {"fc1.weight": first, "fc1.bias": torch.zeros(HIDDEN), "fc2.weight": last}


def write_gradient(tiny: Tiny, **options: Any) -> Path:
    """Writes the gradient of the members' squared error, times a factor, in the given precision."""
    tensors = {name: value.clone().requires_grad_() for name, value in load_file(tiny.checkpoint).items()}
    images = np.load(tiny.members)["images"] / 255
    inputs = torch.from_numpy(images - np.load(tiny.mean)).float().flatten(1)
    hidden = (inputs @ tensors["fc1.weight"].T + tensors["fc1.bias"]).relu()
    outputs = hidden @ tensors["fc2.weight"].T + tensors.get("fc2.bias", 0.0)
    targets = 100 * torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    (outputs - targets).square().mean().backward()
    slopes = {name: options.get("factor", 1.0) * value.grad for name, value in tensors.items()}
    path = tiny.checkpoint.with_name("seen.safetensors")
    save_file({name: value.to(options.get("dtype", torch.float32)) for name, value in slopes.items()}, path)
    return path


def untrained_tiny(tiny: Tiny) -> Tiny:
    """A network of ten outputs that learnt nothing, so that whatever comes back is from the gradient.

    Less their own mean, the members would be linearly dependent.
    """
    last = torch.randn(10, HIDDEN, generator=torch.Generator().manual_seed(2)) / HIDDEN**0.5
    save_file(untrained() | {"fc2.weight": last}, tiny.checkpoint, metadata={"activation": "relu"})
    np.save(tiny.mean, np.full((SIDE, SIDE), 0.3, dtype=np.float32))
    return tiny
