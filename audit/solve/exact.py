"""Exact inputs of a batch from the first layer's gradient: draws where they are quick, descent for the rest.

One sample is the ratio of weight and bias gradient (Phong et al. 2018). Of a few behind a ReLU, draws find the
directions by their zeros (`sparse`). Otherwise samples are found one by one, as inputs whose derivatives lie in the
span of the gradient (`span`): exactly if the activation is smooth, and with a ReLU nearly, which says at which
units the derivatives are zero, and those say the rest. The next round keeps away from what was found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from audit.budget import Budget
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.solve.base import Problem, Solution, Status, Watcher
from audit.solve.descent import fit_scales
from audit.solve.first_layer import FirstLayer, first_layer, in_double, with_last_layer_weights
from audit.solve.span import Schedule, descent, squares, starts
from audit.solve.sparse import DRAWS, Zeros, zeros

EXACT = 1e-4
"""Largest error of a pixel, of its range, in what is called exact."""
_RESIDUAL = 5e-5
"""Residual below which the equation is solved, without noise: a larger one lets wrong samples pass."""
_NOISES = 30
"""The same with noise, in units of it: a smaller one leaves solved equations unsolved, and searches on."""
_MOST_RESIDUAL = 0.1
"""The same at most: above it, noise would excuse any solution."""
_CLEAN = 1e-5
"""Noise that may be rounding in single precision."""
_MOST_CHUNKS = 16
"""Of draws. Where more are likely to be needed, descent is quicker."""
_SMOOTH: Schedule = ((None, 40),)
"""Steps of a round where the activation is smooth."""
_KINKED: Schedule = ((2.0, 8), (8.0, 6), (32.0, 10))
"""The same with a ReLU: blurred first, so that starts find their way, and sharp in the end, to be nearly right."""
_FRUITLESS = 8
"""Rounds without more samples than ever before after which others are unlikely to help."""
_FOUND = 1e-5
"""Sine of an angle to the span that counts as zero without noise: a larger one takes mixtures for samples."""
_FOUND_IN_NOISE = 0.03
"""The same at most, whatever the noise."""
_APART = 10
"""Part of a sample's derivatives outside the span of others, in sines that count as zero. It is small between
samples of one label where an activation is nearly linear."""


@dataclass(frozen=True, eq=False)
class _Samples:
    """Some of the batch."""

    inputs: Tensor
    """(k, r), with a ReLU not quite exact."""
    directions: Tensor
    """(b, k): columns of Q, of unit length."""


@dataclass(frozen=True, eq=False)
class _Best:
    """What solves the equation best so far."""

    candidates: Candidates
    """(1, k, ...)."""
    loss: float
    """Relative; 1 with no candidates."""
    errors: Tensor = field(default_factory=lambda: torch.full((1,), math.inf))
    """(k,), expected of the worst pixel of each; infinite where unknown."""


@dataclass(frozen=True)
class ExactInputs:
    """Solve an equation with one point and the readout `every_output` through the first block of its target."""

    samples: int
    """b: the rank of the first block above its noise. Samples that are no combination of others, in fact."""
    noise: float = 0.0
    """Norm of that noise relative to the block."""

    def minimise(
        self, problem: Problem, budget: Budget, generator: torch.Generator, watch: Watcher
    ) -> Solution:
        """Search until the equation holds, the budget ends, or more is unlikely to help.

        Returns
        -------
        Solution
            One restart with the samples found, which may be fewer than b, at their true scale; lambda by least
            squares from the last layer's equations. Solved if the equation holds up to its noise; the note says
            how exact the inputs can then be. `steps` counts draws, and steps of all starts together.
        """
        objective = in_double(fit_scales(problem))
        layer = first_layer(
            objective, self.samples, self.noise, len(problem.box.low), problem.box.typical_norm
        )
        search = _Search(objective, layer, self.noise)
        best, steps = _Best(_nothing(objective, problem.rank), 1.0), 0
        for steps, found in search.run(budget, generator):
            if found.loss < best.loss:
                best = found
            watch(steps, best.loss)
            if search.solved_by(best):
                break
        errors = best.errors / float((problem.box.high - problem.box.low).min())
        if search.solved_by(best):
            status = Status.SOLVED
        elif budget.left <= 0:
            status = Status.INTERRUPTED if budget.interrupted() else Status.BUDGET
        else:
            status = Status.EXHAUSTED
        like = problem.objective.target.weights[0]
        inputs, weights = best.candidates.inputs, best.candidates.weights
        return Solution(
            candidates=Candidates(inputs.to(like), weights.to(like), None),
            losses=torch.tensor([best.loss]),
            status=status,
            steps=max(steps, 1),
            history=((max(steps, 1), best.loss),),
            note=self._note(best, steps, errors if status is Status.SOLVED else errors + math.inf),
        )

    def _note(self, best: _Best, steps: int, errors: Tensor) -> str:
        said = [f"rank {self.samples} taken as the size of the batch", f"{steps} draws and steps"]
        if self.noise > _CLEAN:
            said.append(f"noise {self.noise:.1g} of the first layer's gradient")
        found = f"{len(best.candidates)} of {self.samples} samples found"
        right, worst = int((errors <= EXACT).sum()), float(errors.max())
        approximate = right < len(best.candidates)
        if approximate and right:
            found += f", {right} of them to {EXACT:.0e} of the range of pixels"
        if approximate and worst < 1:
            found += f", {'the rest ' if right else 'all of them '}to {worst:.0e}"
        said += [found, f"residual {math.sqrt(best.loss):.1g}"]
        if approximate:
            said.append("approximate")
        return "; ".join(said)


@dataclass(frozen=True, eq=False)
class _Search:
    objective: Objective
    layer: FirstLayer
    noise: float

    @property
    def kinked(self) -> bool:
        """Whether zeros say what smooth derivatives cannot."""
        return self.layer.network.activation == "relu"

    def solved_by(self, best: _Best) -> bool:
        """Whether all samples were found, and what is left of the equation may be noise."""
        least = max(_RESIDUAL, min(_NOISES * self.noise, _MOST_RESIDUAL))
        return len(best.candidates) == self.layer.samples and math.sqrt(best.loss) < least

    def run(self, budget: Budget, generator: torch.Generator) -> Iterator[tuple[int, _Best]]:
        """Steps so far and what they led to, again and again."""
        layer = self.layer
        one = torch.ones(1, 1).to(layer.left)
        if layer.samples == 1 and layer.bias is not None:
            yield 1, self._by_directions(one)
            return
        taken = 0
        if self.kinked:
            where = zeros(layer)
            if len(where.rows) <= layer.samples:
                return
            pool = layer.left[:0].T
            for _ in range(_chunks(layer.samples)):
                if budget.left <= 0:
                    return
                taken += DRAWS
                pool = where.heaviest(torch.cat([pool, where.drawn(generator)], 1))
                yield taken, self._by_directions(pool)
            yield from self._rounds(where, pool, taken, budget, generator)
        else:
            yield from self._rounds(None, layer.left[:0].T, taken, budget, generator)

    def _rounds(
        self, where: Zeros | None, pool: Tensor, taken: int, budget: Budget, generator: torch.Generator
    ) -> Iterator[tuple[int, _Best]]:
        layer, fruitless, most = self.layer, 0, 0
        known = nothing = _Samples(layer.right[:0], layer.left[:0].T)
        while fruitless < _FRUITLESS and budget.left > 0:
            if len(known.inputs) == layer.samples:  # and the equation does not hold
                known = nothing
            unknowns, steps = self._descent(known, budget, generator)
            taken += steps
            known = self._join(known, unknowns, where)
            fruitless = 0 if len(known.inputs) > most else fruitless + 1
            most = max(most, len(known.inputs))
            yield taken, self._best(known.inputs, self._errors(known))
            if where is not None:
                pool = where.heaviest(torch.cat([pool, known.directions], 1))
                yield taken, self._by_directions(pool)

    def _descent(self, known: _Samples, budget: Budget, generator: torch.Generator) -> tuple[Tensor, int]:
        layer = self.layer
        schedule = _KINKED if self.kinked else _SMOOTH
        return descent(layer.exclude(known.directions), starts(layer, generator), schedule, budget)

    def _join(self, known: _Samples, unknowns: Tensor, where: Zeros | None) -> _Samples:
        """What is known with what is new among unknowns (n, b + c), best first."""
        layer = self.layer
        sharpness = _KINKED[-1][0] if self.kinked else None
        angles = squares(layer, unknowns, sharpness).sqrt()
        deviation = layer.spread * math.sqrt(len(layer.left)) / float(layer.values[-1])
        zero = where.below if where is not None else min(max(_FOUND, 4 * deviation), _FOUND_IN_NOISE)
        inputs, directions = known.inputs, known.directions
        for index in angles.argsort().tolist():
            if directions.shape[1] == layer.samples:
                break
            one = layer.inputs(unknowns[index])
            if where is not None:
                weight, bias = layer.network.weights[0], layer.network.biases[0]
                reaches = weight @ one + (0.0 if bias is None else bias) > 0
                direction = where.direction_of(reaches)
            else:
                near = bool(angles[index] < zero)
                direction = layer.left.T @ layer.derivatives(unknowns[index], None) if near else None
            if direction is None:
                continue
            direction = direction / direction.norm()
            span = torch.linalg.qr(directions).Q
            if float((direction - span @ (span.T @ direction)).norm()) > _APART * zero:
                inputs = torch.cat([inputs, one[None]])
                directions = torch.cat([directions, direction[:, None]], 1)
        return _Samples(inputs, directions)

    def _errors(self, known: _Samples) -> Tensor:
        """Expected of the worst pixel of every known input, (k,): infinite before there are b, and with a ReLU."""
        if self.kinked or len(known.inputs) < self.layer.samples:
            return torch.full((1,), math.inf)
        # The span of all is no more exact than its smallest part, and every sample was found from all of it.
        worst = self.layer.errors(known.inputs, known.directions).max()
        return worst.expand(len(known.inputs))

    def _by_directions(self, directions: Tensor) -> _Best:
        """What inputs that go with directions (b, k) explain, if there are b of them."""
        layer = self.layer
        if directions.shape[1] < layer.samples or layer.bias is None:
            return self._best(layer.right[:0], torch.full((1,), math.inf))
        inputs = layer.solve(directions, layer.bias)
        return self._best(inputs, layer.errors(inputs, directions))

    def _best(self, inputs: Tensor, errors: Tensor) -> _Best:
        """What inputs (k, r) explain."""
        candidates = with_last_layer_weights(self.objective, inputs)
        if not len(inputs):
            return _Best(candidates, 1.0)
        with torch.no_grad():
            return _Best(candidates, float(self.objective.relative_loss(candidates)), errors)


def _chunks(samples: int) -> int:
    """Of draws that are worth while: three times what likely finds all samples, or none."""
    chances = 2 ** (samples - 1) * (math.log(samples) + 1)
    likely = math.ceil(3 * chances / DRAWS)
    return likely if likely <= _MOST_CHUNKS else 0


def _nothing(objective: Objective, rank: int) -> Candidates:
    like, outputs = objective.target.weights[0], objective.points[0].outputs
    return Candidates(like.new_zeros(1, 0, rank), like.new_zeros(1, 0, outputs), None)
