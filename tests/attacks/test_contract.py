"""What every attack of the battery promises, whatever the network: it is data for the one equation."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import audit.attacks
from audit.attacks import BATTERY, Attack, Observation
from tests.pairwise import pairwise
from tests.planted import (
    LAYOUTS,
    PLAIN_ACTIVATIONS,
    observation,
    random_candidates,
    small_network,
    without_gradient,
    without_initial,
)

every_attack = pytest.mark.parametrize("attack", BATTERY, ids=[attack.id for attack in BATTERY])
on_every_layout = pairwise(attack=BATTERY, **LAYOUTS, activation=["relu"])
on_every_network = pairwise(attack=BATTERY, **LAYOUTS, activation=list(PLAIN_ACTIVATIONS))

CAUTIOUS = {"kkt-margin", "kkt-loss", "gradient-cosine", "polynomial"}
"""The attacks whose theory supposes what need not hold."""


# What the attacker does not know


@on_every_layout
def test_the_start_of_training_is_needed_or_not_used(attack: Attack, seen: Observation) -> None:
    unknown = without_initial(seen)
    if (reason := attack.inapplicable(unknown)) != attack.inapplicable(seen):
        assert "--initial" in reason
        assert "--initial" in attack.requires
        assert attack.needs_initial
        return
    assert not attack.needs_initial
    candidates = random_candidates(attack, seen)
    ours, theirs = (attack.objective(one).residual(candidates) for one in (seen, unknown))
    assert torch.equal(ours, theirs)


@on_every_layout
def test_an_observed_gradient_is_needed_or_not_used(attack: Attack, seen: Observation) -> None:
    unknown = without_gradient(seen)
    if (reason := attack.inapplicable(unknown)) != attack.inapplicable(seen):
        assert "--gradient" in reason
        assert "--gradient" in attack.requires
        assert attack.needs_gradient
        return
    assert not attack.needs_gradient
    candidates = random_candidates(attack, seen)
    ours, theirs = (attack.objective(one).residual(candidates) for one in (seen, unknown))
    assert torch.equal(ours, theirs)


@on_every_network
def test_applies_to_every_network_of_which_everything_is_known(
    attack: Attack, seen: Observation, biases: str
) -> None:
    """But for closed forms and moments, which ask for more hidden units, or for powers; and for labels."""
    fits = attack.method == "descent" and (attack.id != "gradient-cosine" or biases == "all")
    assert (attack.inapplicable(seen) is None) == fits


@pairwise(attack=BATTERY, outputs=[1, 3], shares=[1, 4, 9])
def test_classes_share_candidates_equally(attack: Attack, outputs: int, shares: int) -> None:
    """They are known to no attack but one, which reads them off a bias."""
    seen = observation(small_network(outputs, 2, "all"))
    classes = attack.classes(seen)
    labels = attack.labels(seen, shares * max(classes, 1))
    if classes:
        assert labels.dtype is torch.int64
        assert Counter(labels.tolist()) == dict.fromkeys(range(classes), shares)
    elif attack.id == "gradient-cosine":
        assert len(labels) == shares
    else:
        assert labels is None


@on_every_layout
def test_only_what_was_observed_is_used(attack: Attack, seen: Observation) -> None:
    narrow = replace(seen, low=seen.low / 2, high=seen.high / 3)
    for one, other in zip(attack.objective(seen).target, attack.objective(narrow).target, strict=True):
        assert torch.equal(one, other)


# What reports say


@every_attack
def test_a_caveat_is_a_sentence_for_a_reader(attack: Attack) -> None:
    caveat = attack.caveat(observation(small_network(3, 3, "all", activation="gelu")))
    assert (caveat is not None) == (attack.id in CAUTIOUS)
    assert caveat is None or re.fullmatch(r"[^\n]{20,}", caveat)


@every_attack
def test_what_a_reader_is_told(attack: Attack) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", attack.id)
    assert attack.title
    assert attack.requires
    assert re.search(r"\d{4}", attack.source)


def test_ids_are_unique_and_every_file_of_an_attack_is_listed() -> None:
    files = {path.stem for path in Path(audit.attacks.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert [attack.id for attack in BATTERY] == list(dict.fromkeys(attack.id for attack in BATTERY))
    assert files == {type(attack).__module__.rpartition(".")[2] for attack in BATTERY}
    assert files == {attack.id.replace("-", "_") for attack in BATTERY}
