"""Why nothing found means little, in words, and the one thing to do about it."""

from __future__ import annotations

from audit.words import plural, share


def uninformative(
    attack: str,
    true: float | None,
    described: bool,
    reached: float | None,
    limit: float,
    initial: bool,
    confirmed: int | None,
    samples: int | None,
    power: float,
) -> str:
    """Say why, of the finding `uninformative-silence` with these values."""
    tried = confirmed is not None and samples is not None
    todo = _todo(described or true is None, tried=tried, initial=initial)
    return " ".join(
        [
            f"{_what(attack, true, described)}: {todo}.",
            *_why(attack, true, described, reached, limit),
            *_power(confirmed, samples, power),
        ]
    )


def _what(attack: str, true: float | None, described: bool) -> str:
    if true is None:
        return "Nothing was found, and nothing shows that these attacks could have found anything"
    if described:
        return f"Nothing was found, but the attack {attack} did not get as far as the true samples do"
    return "Nothing was found, but these attacks can say little about such a network"


def _todo(more_time: bool, *, tried: bool, initial: bool) -> str:
    if more_time:
        return "give more time with --budget"
    if tried and initial:
        return "make sure that --initial is what this very training began from, and give more time"
    if tried:
        return "give the weights from before training with --initial"
    return "run a positive control (leave out --no-positive-control, and give controls enough)"


def _why(attack: str, true: float | None, described: bool, reached: float | None, limit: float) -> list[str]:
    if true is None:
        return ["The loss at the true samples was not measured."]
    if described:
        ended = "It diverged" if reached is None else f"It stopped at {share(reached)} of its equation"
        return [f"{ended}; they leave {share(true)}."]
    if true <= limit:
        return [
            f"The training samples leave {share(true)} of the equation of {attack}, but it has nearly as many "
            f"unknowns as parameters: any samples would do."
        ]
    return [
        f"The training samples leave {share(true)} even of the equation that they explain best, that of {attack} "
        f"(the policy allows {share(limit)}), as is usual where training was kept from overfitting."
    ]


def _power(confirmed: int | None, samples: int | None, power: float) -> list[str]:
    if confirmed is None or samples is None:
        return []
    return [
        f"The positive control confirmed {confirmed} of {plural(samples, 'sample')}, which does not show a power "
        f"above {share(power)}."
    ]
