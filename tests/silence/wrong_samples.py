"""Cases: members or controls are not those that would tell."""

from __future__ import annotations

import numpy as np

from tests.silence import pictures
from tests.silence.asked import Asked
from tests.silence.case import Case
from tests.silence.scenes import (
    embedded,
    memorised,
    memorised_round,
    observed,
    rare,
    rare_among_many,
    tuned,
    tuned_on_many,
    tuned_on_round,
    untrained,
)


def with_controls(asked: Asked, chosen: object) -> Asked:
    """Keep some of the controls, which may be the same more than once."""
    labels = None if asked.control_labels is None else asked.control_labels[chosen]
    return asked.but(controls=asked.controls[chosen], control_labels=labels)


def all_of_training(few_controls: int) -> Asked:
    """Give the whole training set, of which four samples leaked."""
    return with_controls(rare_among_many()[1], slice(few_controls))


def exchanged(asked: Asked) -> Asked:
    """Call members controls, and as many controls as the policy asks for members."""
    return asked.but(
        members=asked.controls,
        labels=asked.control_labels,
        controls=asked.members,
        control_labels=asked.labels,
    )


def more_members(asked: Asked, others: np.ndarray, labels: np.ndarray) -> Asked:
    """Give samples besides those that were trained on."""
    return asked.but(
        members=np.concatenate([asked.members, others]), labels=np.concatenate([asked.labels, labels])
    )


def noisy_copies(asked: Asked, times: int) -> Asked:
    """Put what was trained on with a little noise, so many times, beside a few controls."""
    random = np.random.default_rng(0)
    copies = np.tile(asked.members, (times, 1, 1))
    noisy = np.clip(copies + random.normal(0, 4, copies.shape), 0, 255).astype(np.uint8)
    return asked.but(controls=np.concatenate([noisy, asked.controls[:48]]), control_labels=None)


def noise(count: int, side: int) -> np.ndarray:
    """Pictures of nothing."""
    return np.random.default_rng(0).integers(256, size=(count, side, side), dtype=np.uint8)


def other_digits(kinds: str, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Digits of some classes, and which."""
    pixels, labels = pictures.digits(count, 10, kinds)
    return pixels, np.array([kinds.index(str(label)) for label in labels])


STRANGERS = pictures.shapes(6, 7)

SAMPLES = (
    Case(
        "a1 four rare ones among 400",
        rare,
        lambda it: all_of_training(300),
        "unresolved-recoveries",
    ),
    Case(
        "a1 four rare ones among 400, 60 controls",
        rare,
        lambda it: all_of_training(60),
        "unresolved-recoveries",
    ),
    Case(
        "no controls", memorised, lambda it: it.but(controls=None, control_labels=None), "uncalibrated-audit"
    ),
    Case("a single control", memorised, lambda it: with_controls(it, slice(1)), "too-few-controls"),
    Case("twenty controls", tuned, lambda it: with_controls(it, slice(20)), "too-few-controls"),
    Case(
        "six controls, each ten times",
        memorised,
        lambda it: with_controls(it, np.arange(60) % 6),
        "too-few-controls",
    ),
    Case(
        "a2 gradient of 8, members all",
        observed,
        lambda it: more_members(it, *other_digits("0147", 400)),
        "give the samples of that batch",
        ends="refused",
        quick=True,
    ),
    Case(
        "a6 embeddings below the threshold",
        embedded,
        lambda it: it.but(options=()),
        "unresolved-recoveries",
    ),
    Case("a7 exchanged", tuned_on_many, exchanged, "misread"),
    Case(
        "a7 exchanged, without labels",
        tuned_on_many,
        lambda it: exchanged(it).but(labels=None, control_labels=None),
        "misread",
    ),
    Case(
        "a8 straight digits as controls",
        memorised_round,
        lambda it: it.but(controls=other_digits("147")[0], control_labels=None),
        "controls-differ",
        ends="FAIL",
    ),
    Case(
        "straight digits as controls of a strong leak",
        tuned_on_round,
        lambda it: it.but(controls=other_digits("147")[0], control_labels=None),
        "controls-differ",
        ends="FAIL",
    ),
    Case(
        "a8 noise as controls",
        memorised_round,
        lambda it: it.but(controls=noise(200, 14), control_labels=None),
        "controls-differ",
        ends="FAIL",
    ),
    Case(
        "a8 black members",
        memorised_round,
        lambda it: it.but(members=np.zeros_like(it.members)),
        "are the same",
        ends="refused",
    ),
    Case("darker controls", tuned, lambda it: it.but(controls=it.controls // 3), "", ends="FAIL"),
    Case(
        "a8 other digits than the controls, never seen",
        untrained,
        lambda it: it.but(members=other_digits("03689", 40)[0], controls=other_digits("147")[0]),
        "controls-differ",
        right_fails=False,
    ),
    Case(
        "a8 other digits than the controls, of a leak of others",
        tuned,
        lambda it: it.but(
            members=other_digits("03689", 40)[0],
            controls=other_digits("147")[0],
            labels=None,
            control_labels=None,
        ),
        "misread",
    ),
    Case(
        "a quarter of the controls are members with noise",
        memorised,
        lambda it: noisy_copies(it, 1),
        "near copies",
        ends="refused",
    ),
    Case(
        "controls are members with noise, five times",
        memorised,
        lambda it: noisy_copies(it, 5),
        "",
        ends="FAIL",
    ),
    Case(
        "half of the members strangers",
        memorised,
        lambda it: it.but(members=np.concatenate([it.members[:6], STRANGERS])),
        "misread",
        ends="FAIL",
    ),
    Case(
        "half of the members mirrored",
        memorised,
        lambda it: it.but(members=np.concatenate([it.members[:6], it.members[6:, :, ::-1]])),
        "misread",
        ends="FAIL",
    ),
    Case(
        "every member ten times",
        memorised,
        lambda it: it.but(members=it.members.repeat(10, 0), labels=it.labels.repeat(10)),
        "",
        ends="FAIL",
    ),
)
