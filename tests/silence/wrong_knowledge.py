"""Cases: what else is known of training was not used, or is not what it is said to be; or time ran out."""

from __future__ import annotations

from tests.silence.case import Case
from tests.silence.scenes import frozen, lazy, observed, regularised, tuned, tuned_table
from tests.silence.training import mlp


def in_half(tensors):
    return {name: tensor.half() for name, tensor in tensors.items()}


KNOWLEDGE = (
    Case(
        "a4 attack on the change not asked for",
        tuned,
        lambda it: it.but(options=("--attacks", "kkt-margin")),
        "initial-not-attacked",
        quick=True,
    ),
    Case(
        "a4 initial weights are the checkpoint",
        tuned,
        lambda it: it.but(initial=it.checkpoint),
        "same",
        ends="refused",
        quick=True,
    ),
    Case(
        "a4 initial weights are the checkpoint in half precision",
        tuned,
        lambda it: it.but(initial=in_half(it.checkpoint)),
        "initial-not-attacked",
    ),
    Case("a4 frozen first layer", tuned, lambda _: frozen(), "initial-not-attacked"),
    Case(
        "a4 unrelated base",
        tuned,
        lambda it: it.but(initial=mlp(196, 100, 1, seed=7).state_dict()),
        "initial-not-attacked",
    ),
    Case(
        "a4 unrelated base, table",
        tuned_table,
        lambda it: it.but(initial=mlp(30, 200, 1, seed=7).state_dict()),
        "initial-not-attacked",
        ends="FAIL",
    ),
    Case(
        "base from before its own training",
        tuned,
        lambda it: it.but(initial=mlp(196, 100, 1).state_dict()),
        "uninformative-silence",
    ),
    Case(
        "attack on the gradient not asked for",
        observed,
        lambda it: it.but(options=("--attacks", "kkt-margin")),
        "observed-not-attacked",
    ),
    Case(
        "gradient of other weights",
        observed,
        lambda it: it.but(checkpoint=mlp(196, 100, 4, seed=7).state_dict()),
        "",
        ends="FAIL",
    ),
    Case(
        "weights alone where the start is known",
        lazy,
        lambda it: it.but(initial=None),
        "unresolved-recoveries",
    ),
    Case(
        "weights alone where the base is public",
        tuned,
        lambda it: it.but(initial=None),
        "uninformative-silence",
    ),
    Case(
        "checkpoint in half precision",
        tuned,
        lambda it: it.but(checkpoint=in_half(it.checkpoint)),
        "",
        ends="FAIL",
    ),
    Case(
        "a11 an ordinary classifier",
        regularised,
        lambda it: it.but(options=("--no-positive-control",)),
        "uninformative-silence",
        right_fails=False,
    ),
    Case(
        "a11 an ordinary classifier, positive control",
        regularised,
        lambda it: it,
        "uninformative-silence",
        right_fails=False,
    ),
)
