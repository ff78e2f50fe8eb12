"""Run all attacks of the battery against one observation, within one budget of time or of rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from audit.attacks import Attack, Broken, Equation, Inapplicable, Observation, Prepared
from audit.battery.attempt import FAILURES, Attempt, Watcher, begin, run_slice
from audit.battery.outcomes import AttackFailed, AttackSkipped, Outcome
from audit.battery.reading import read_off
from audit.battery.sharing import next_slice
from audit.budget import Budget
from audit.errors import first_line

_EXACT = 0.5
"""Share of the budget for exact attacks, where others apply too; what they leave is for the others."""
_FIRST = 0.25
"""Share of the budget for everybody's first slice, where several attacks apply."""
_SLICES = 4
"""Slices the rest is cut into."""
_STRIDE = 0x9E3779B97F4A7C15
"""Between the seeds of attacks."""
_NO_TIME = "the time ended before its first step"

Advance = Callable[[Attempt, Budget], Attempt]


def prepare(observation: Observation, attacks: Sequence[Attack]) -> dict[Attack, Prepared]:
    """Write down the equations of attacks, once for all who need them: large layers and tensors take seconds."""
    return {attack: _prepare(attack, observation) for attack in attacks}


def _prepare(attack: Attack, observation: Observation) -> Prepared:
    try:
        return attack.prepare(observation)
    except FAILURES as error:
        return Broken(first_line(error))


def reconstruct(
    observation: Observation,
    prepared: Mapping[Attack, Prepared],
    chosen: Sequence[str] | None,
    budget: Budget,
    seed: int,
    watch: Watcher = lambda attack, step, loss: None,
    *,
    splitting: bool = True,
) -> list[Outcome]:
    """Run every attack that applies.

    Parameters
    ----------
    observation:
        What the attacker sees.
    prepared:
        The battery's equations, as `prepare` returned them.
    chosen:
        Ids the user asked for; None for all.
    budget:
        Shared by all attacks.
    seed:
        Of every attack's own generator.
    watch:
        Listener.
    splitting:
        Whether to split candidates.

    Returns
    -------
    list[Outcome]
        One per attack, in the order of the battery.
    """
    outcomes: dict[Attack, Outcome] = {}
    attempts: list[Attempt] = []
    for place, (attack, found) in _more_than_weights_first(prepared):
        # Attacks of one shape would begin with the same candidates, and find less together.
        generator = torch.Generator().manual_seed((seed + place * _STRIDE) % 2**63)
        if chosen is not None and attack.id not in chosen:
            outcomes[attack] = AttackSkipped(attack, "not among the attacks asked for")
        elif isinstance(found, Inapplicable):
            outcomes[attack] = AttackSkipped(attack, found.reason)
        elif isinstance(found, Broken):
            outcomes[attack] = AttackFailed(attack, found.reason, 0.0)
        elif budget.left > 0:
            begun = _begin(found, observation, generator, splitting=splitting)
            if isinstance(begun, Attempt):
                attempts.append(begun)
            else:
                outcomes[attack] = begun
        else:
            outcomes[attack] = AttackFailed(attack, _NO_TIME, 0.0)
    ended = _share(
        attempts, budget, lambda one, part: run_slice(one, part, watch), thorough=chosen is not None
    )
    for one in ended:
        outcomes[one.attack] = _outcome(one) if isinstance(one, Attempt) else one
    return [outcomes[attack] for attack in prepared]


def _more_than_weights_first(
    prepared: Mapping[Attack, Prepared],
) -> list[tuple[int, tuple[Attack, Prepared]]]:
    """Order the battery, with its places: attacks on a change or a gradient come first.

    The attacker holds more there, and such an attack must not lose its first step to others.
    """
    return sorted(enumerate(prepared.items()), key=lambda entry: entry[1][0].source == "weights")


def _begin(
    equation: Equation, observation: Observation, generator: torch.Generator, *, splitting: bool
) -> Attempt | AttackFailed:
    try:
        return begin(equation, observation, generator, splitting=splitting)
    except FAILURES as error:
        return AttackFailed(equation.attack, first_line(error), 0.0)


def _outcome(attempt: Attempt) -> Outcome:
    """What came of an attempt; a failure after the first slice loses only what failed."""
    reason = attempt.failure or _NO_TIME
    if attempt.solutions:
        try:
            return read_off(attempt)
        except FAILURES as error:
            reason = first_line(error)
    return AttackFailed(attempt.attack, reason, attempt.seconds)


def _share(
    attempts: Sequence[Attempt], budget: Budget, advance: Advance, *, thorough: bool
) -> list[Attempt | AttackSkipped]:
    """Spend the budget: a first slice for every attack, then one slice after the other as `next_slice` says.

    A slice is a part of the time, or a round of restarts where rounds are counted.

    Exact attacks come before all that: they are done, or have given up, in one slice. A gradient that they explain
    is left alone, unless the search is to be thorough.
    """
    exact = [one for one in attempts if one.attack.method.in_one_slice]
    others = [one for one in attempts if not one.attack.method.in_one_slice]
    share = _EXACT * budget.left / max(len(exact), 1)
    exact = [advance(one, budget.part(share) if others else budget) for one in exact]
    solver = next((one.attack.id for one in exact if one.equation.source == "gradient" and one.solved), None)
    spared: list[AttackSkipped] = []
    if solver is not None and not thorough:
        reason = f"the attack {solver} has explained the gradient"
        spared = [AttackSkipped(one.attack, reason) for one in others if one.equation.source == "gradient"]
        others = [one for one in others if one.equation.source != "gradient"]
    if len(others) == 1 and budget.rounds is None:
        return [*exact, *spared, advance(others[0], budget)]
    first = _FIRST * budget.left / max(len(others), 1)
    others = [advance(one, budget.part(first)) for one in others]
    slices = _SLICES if budget.rounds is None else (budget.rounds - 1) * len(others)
    for left in range(slices, 0, -1):
        place = next_slice([one.progress for one in others])
        if place is not None and budget.left > 0:
            others[place] = advance(others[place], budget.part(budget.left / left))
    return [*exact, *spared, *others]
