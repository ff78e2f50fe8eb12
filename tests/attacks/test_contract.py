"""What every attack of the battery promises, on a table of networks: it is data for the one equation."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import audit.attacks
from audit.attacks import BATTERY
from tests.planted import (
    ACTIVATED,
    NETWORKS,
    observation,
    random_candidates,
    table,
    without_gradient,
    without_initial,
)

pytestmark = [
    pytest.mark.parametrize("attack", BATTERY, ids=[attack.id for attack in BATTERY]),
]


EVERY = NETWORKS | ACTIVATED
every_network = table(NETWORKS)
every_activation = table(EVERY)


@pytest.fixture
def seen(attack, net):
    return observation(net)


def norm(values):
    return float(values.detach().norm())


# What the attacker does not know


@every_network
def test_the_start_of_training_is_needed_or_not_used(attack, net, seen):
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


@every_network
def test_an_observed_gradient_is_needed_or_not_used(attack, net, seen):
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


@every_activation
def test_applies_to_every_network_of_which_everything_is_known(attack, net, seen):
    """But for closed forms and moments, which ask for more hidden units, or for powers; and for labels."""
    fits = attack.method == "descent" and (attack.id != "gradient-cosine" or net.biases[-1] is not None)
    assert (attack.inapplicable(seen) is None) == fits


@every_network
@pytest.mark.parametrize("shares", [1, 4, 9])
def test_classes_share_candidates_equally(attack, net, seen, shares):
    classes = attack.classes(seen)
    labels = attack.labels(seen, shares * max(classes, 1))
    if not classes:
        assert labels is None or len(labels) == shares
        return
    assert labels.dtype is torch.int64
    assert Counter(labels.tolist()) == dict.fromkeys(range(classes), shares)


@every_network
def test_only_what_was_observed_is_used(attack, net, seen):
    narrow = replace(seen, low=seen.low / 2, high=seen.high / 3)
    for one, other in zip(attack.objective(seen).target, attack.objective(narrow).target, strict=True):
        assert torch.equal(one, other)


@every_activation
def test_a_caveat_is_a_sentence_for_a_reader(attack, net, seen):
    caveat = attack.caveat(seen)
    assert caveat is None or (len(caveat) > 20 and "\n" not in caveat)


# What reports say


def test_what_a_reader_is_told(attack):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", attack.id)
    assert attack.title
    assert attack.requires
    assert re.search(r"\d{4}", attack.source)


def test_ids_are_unique_and_every_file_of_an_attack_is_listed(attack):
    ids = [one.id for one in BATTERY]
    assert ids.count(attack.id) == 1
    files = {path.stem for path in Path(audit.attacks.__file__).parent.glob("*.py")} - {"__init__", "base"}
    assert files == {type(one).__module__.rpartition(".")[2] for one in BATTERY}
    assert type(attack).__module__.rpartition(".")[2] == attack.id.replace("-", "_")
