"""What every attack of the battery promises, whatever the network: it is data for the one equation."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import audit.attacks
from audit.attacks import BATTERY, Attack, Method, Observation
from tests.pairwise import pairwise
from tests.planted import (
    LAYOUTS,
    PLAIN_ACTIVATIONS,
    equation,
    observation,
    random_candidates,
    reason_against,
    small_network,
    without_gradient,
    without_initial,
)

every_attack = pytest.mark.parametrize("attack", BATTERY, ids=[attack.id for attack in BATTERY])
on_every_network = pairwise(attack=BATTERY, **LAYOUTS, activation=list(PLAIN_ACTIVATIONS))

DESCENDING = [attack for attack in BATTERY if attack.method is Method.DESCENT]
"""The attacks that apply to every network with biases of which everything is known."""
CAUTIOUS = {"kkt-margin", "kkt-loss", "gradient-cosine"}
"""Those whose theory supposes what need not hold."""


# What the attacker does not know


@pairwise(
    attack=BATTERY,
    **LAYOUTS,
    activation=["relu"],
    hidden=[(without_initial, "change", "--initial"), (without_gradient, "gradient", "--gradient")],
)
def test_what_was_observed_is_needed_or_not_used(
    attack: Attack, seen: Observation, hidden: tuple[Callable[[Observation], Observation], str, str]
) -> None:
    hide, source, option = hidden
    if attack.source == source:
        assert option in attack.requires
        assert reason_against(attack, hide(seen)).endswith(f"pass {option}")
    elif (reason := reason_against(attack, seen)) is not None:
        assert reason_against(attack, hide(seen)) == reason
    else:
        candidates = random_candidates(attack, seen)
        ours, theirs = (equation(attack, one).objective.residual(candidates) for one in (seen, hide(seen)))
        assert torch.equal(ours, theirs)


@pairwise(attack=DESCENDING, outputs=[1, 3], layers=[2, 3])
def test_an_equation_is_of_what_the_attack_says(attack: Attack, outputs: int, layers: int) -> None:
    found = equation(attack, observation(small_network(outputs, layers, "all")))
    assert (found.attack, found.source) == (attack, attack.source)


@on_every_network
def test_applies_to_every_network_of_which_everything_is_known(
    attack: Attack, seen: Observation, biases: str
) -> None:
    """But for closed forms and moments, which ask for more hidden units, or for powers; and for labels."""
    fits = attack.method is Method.DESCENT and (attack.id != "gradient-cosine" or biases == "all")
    assert (reason_against(attack, seen) is None) == fits


@pairwise(attack=DESCENDING, outputs=[1, 3], shares=[1, 4, 9])
def test_classes_share_candidates_equally(attack: Attack, outputs: int, shares: int) -> None:
    """They are known to no attack but one, which reads them off a bias."""
    found = equation(attack, observation(small_network(outputs, 2, "all")))
    classes = found.classes
    labels = found.label(shares * max(classes, 1))
    if classes:
        assert labels.dtype is torch.int64
        assert Counter(labels.tolist()) == dict.fromkeys(range(classes), shares)
    elif attack.id == "gradient-cosine":
        assert len(labels) == shares
    else:
        assert labels is None


@pairwise(attack=DESCENDING, outputs=[1, 3], layers=[2, 3])
def test_only_what_was_observed_is_used(attack: Attack, outputs: int, layers: int) -> None:
    seen = observation(small_network(outputs, layers, "all"))
    narrow = replace(seen, low=seen.low / 2, high=seen.high / 3)
    ours, theirs = (equation(attack, one).objective.target for one in (seen, narrow))
    assert all(torch.equal(one, other) for one, other in zip(ours.tensors, theirs.tensors, strict=True))


# What reports say


@pytest.mark.parametrize("attack", DESCENDING, ids=[attack.id for attack in DESCENDING])
def test_a_caveat_is_a_sentence_for_a_reader(attack: Attack) -> None:
    caveat = equation(attack, observation(small_network(3, 3, "all", activation="gelu"))).caveat
    assert (caveat is not None) == (attack.id in CAUTIOUS)
    assert caveat is None or re.fullmatch(r"[^\n]{20,}", caveat)


@every_attack
def test_what_a_reader_is_told(attack: Attack) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", attack.id)
    assert attack.title
    assert attack.requires
    assert re.search(r"\d{4}", attack.papers)


def test_ids_are_unique_and_every_file_of_an_attack_is_listed() -> None:
    files = {path.stem for path in Path(audit.attacks.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert [attack.id for attack in BATTERY] == list(dict.fromkeys(attack.id for attack in BATTERY))
    assert files == {type(attack).__module__.rpartition(".")[2] for attack in BATTERY}
    assert files == {attack.id.replace("-", "_") for attack in BATTERY}
