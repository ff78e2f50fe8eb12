"""Tables of cases in which every two choices meet: far fewer than all combinations, and nearly as telling."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import pytest

EVERYTHING = False
"""Whether slow cases are made, which takes seconds: `conftest` says so where they are asked for."""


def covering(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Rows of choices, one of each factor, such that any two choices of different factors share a row.

    Greedy: a row begins with a pair that is missing, and goes on with the choices that bring in most missing pairs,
    or, where these are equal, with those that were used least.
    """
    missing = {
        ((one, here), (other, there))
        for one, other in combinations(range(len(sizes)), 2)
        for here, there in product(range(sizes[one]), range(sizes[other]))
    }
    rows: list[tuple[int, ...]] = []
    used: Counter[tuple[int, int]] = Counter()
    widest_first = sorted(range(len(sizes)), key=lambda factor: -sizes[factor])
    while missing:
        row = dict(min(missing, key=lambda pair: (used[pair[0]] + used[pair[1]], pair)))
        for factor in widest_first:
            if factor not in row:
                met = [
                    sum(tuple(sorted([(factor, choice), taken])) in missing for taken in row.items())
                    for choice in range(sizes[factor])
                ]
                row[factor] = max(
                    range(sizes[factor]), key=lambda choice: (met[choice], -used[factor, choice])
                )
        chosen = sorted(row.items())
        missing -= set(combinations(chosen, 2))
        used.update(chosen)
        rows.append(tuple(choice for _, choice in chosen))
    return rows


def pairwise(**choices: Sequence[Any]) -> pytest.MarkDecorator:
    """A test with every two choices together; all other combinations are left to slow runs."""
    factors = list(choices.values())
    often = set(covering([len(factor) for factor in factors]))
    return pytest.mark.parametrize(
        list(choices),
        [
            pytest.param(
                *(factor[index] for factor, index in zip(factors, row, strict=True)),
                id=", ".join(
                    name_of(name, factor[index])
                    for (name, factor), index in zip(choices.items(), row, strict=True)
                    if len(factor) > 1
                ),
                marks=() if row in often else pytest.mark.slow,
            )
            for row in product(*(range(len(factor)) for factor in factors))
            if EVERYTHING or row in often
        ],
    )


def name_of(factor: str, choice: Any) -> str:
    """Of an attack its id, of a function its name: what is the same in every process."""
    if isinstance(choice, tuple):
        return " ".join(name_of("", part).strip() for part in choice)
    named = getattr(choice, "id", None) or getattr(choice, "__name__", None)
    return named or f"{factor} {choice}"
