"""How well a network knows the samples, as it was read."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import pearsonr
from torch.nn import functional

from audit.dataset.truth import Truth
from audit.diagnostics.reading import answers, correlate, correlation_test, read, some
from audit.model.network import Network
from audit.model.preprocessing import parse_preprocessing
from tests.diagnostics.memorised import regression
from tests.planted import small_network

INPUTS = 6


def samples(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, INPUTS)).astype(np.float32)


def truth(network: Network, *, controls: int = 40, labelled: bool = True) -> Truth:
    """Members that the network gets right, and controls with labels of chance."""
    members, others = samples(60), samples(controls, seed=1)
    classes = max(network.outputs, 2)
    outputs = network.forward(torch.from_numpy(members).double())
    right = (outputs[:, 0] > 0).long() if network.outputs == 1 else outputs.argmax(1)
    labels = np.random.default_rng(2).integers(0, classes, controls)
    preprocessing = parse_preprocessing((INPUTS,), "0", "1")
    return Truth(
        members, others, right.numpy() if labelled else None, labels if labelled else None, preprocessing
    )


@pytest.mark.parametrize("outputs", [1, 3])
def test_answers_are_those_of_a_classifier(outputs: int) -> None:
    network = small_network(outputs, inputs=INPUTS)
    rows = samples(20)
    labels = np.arange(20) % max(outputs, 2)
    given = network.forward(torch.from_numpy(rows).double())
    expected = torch.cat([torch.zeros_like(given), given], 1) if outputs == 1 else given
    found = answers(network, rows, labels)
    assert found.right is not None
    assert found.loss is not None
    assert found.margin is not None
    assert len(found) == 20
    np.testing.assert_array_equal(found.right, expected.argmax(1).numpy() == labels)
    loss = functional.cross_entropy(expected, torch.from_numpy(labels), reduction="none")
    np.testing.assert_allclose(found.loss, loss, rtol=1e-6)
    np.testing.assert_allclose(found.confidence, expected.softmax(1).amax(1), rtol=1e-6)
    np.testing.assert_array_equal(found.margin > 0, found.right)
    np.testing.assert_allclose(np.abs(found.margin[found.right]), found.sureness[found.right])


def test_outputs_that_are_not_finite_know_nothing() -> None:
    network = small_network(3, inputs=INPUTS, activation="polynomial:9")
    found = answers(network, 1e30 * samples(4), np.zeros(4, dtype=np.int64))
    assert found.loss is not None
    assert np.isfinite(found.loss).all()
    assert np.isfinite(found.sureness).all()


@pytest.mark.parametrize("outputs", [1, 3])
def test_what_is_known_is_told_from_what_is_not(outputs: int) -> None:
    network = small_network(outputs, inputs=INPUTS)
    found = read(network, truth(network))
    assert found.controls is not None
    assert found.members.right is not None
    assert found.members.right.all()
    assert found.majority is not None
    assert found.majority < 0.9
    assert found.tests.chance is not None
    assert found.tests.chance < 1e-3
    assert found.tests.fewer_right == pytest.approx(1.0)
    assert found.tests.higher_loss is not None
    assert found.tests.higher_loss > 0.99


def test_exchanged_roles_show_in_both_tests() -> None:
    network = small_network(3, inputs=INPUTS)
    known = truth(network)
    swapped = Truth(known.controls, known.members, known.control_labels, known.labels, known.preprocessing)
    tests = read(network, swapped).tests
    assert tests.fewer_right is not None
    assert tests.higher_loss is not None
    assert max(tests.fewer_right, tests.higher_loss) < 1e-3


def test_without_labels_it_is_sureness_that_is_compared() -> None:
    network = small_network(3, inputs=INPUTS)
    known = truth(network, labelled=False)
    far = Truth(5 * known.members, known.controls, None, None, known.preprocessing)
    found = read(network, far)
    assert (found.majority, found.tests.chance, found.tests.fewer_right) == (None, None, None)
    assert found.tests.surer is not None
    assert found.tests.less_sure is not None
    assert found.tests.surer < 0.01 < 0.99 < found.tests.less_sure


def test_without_controls_nothing_is_compared() -> None:
    network = small_network(3, inputs=INPUTS)
    found = read(network, truth(network, controls=0))
    assert found.controls is None
    assert (found.tests.surer, found.tests.fewer_right, found.tests.higher_loss) == (None, None, None)
    assert found.tests.chance is not None


def test_of_many_samples_some_are_taken_evenly() -> None:
    rows, labels = samples(50), np.arange(50)
    taken, theirs = some(rows, labels, 5)
    assert theirs is not None
    np.testing.assert_array_equal(theirs, [0, 12, 24, 36, 49])
    np.testing.assert_array_equal(taken, rows[theirs])
    assert len(some(rows, labels, 50)[0]) == 50


def test_outputs_of_a_regression_correlate_with_targets() -> None:
    memorised = regression()
    found = read(memorised.network, memorised.truth)
    assert found.controls is not None
    assert found.members.correlation is not None
    assert found.members.correlation > 0.95
    assert found.controls.correlation is not None
    assert abs(found.controls.correlation) < 0.5
    assert found.tests.correlates is not None
    assert found.tests.correlates < 1e-9
    assert found.tests.chance is None


def test_the_correlation_test_is_that_of_scipy() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 20))
    expected = pearsonr(one, other, alternative="greater")
    found = correlate(one, other.astype(np.float32))
    assert found == pytest.approx(expected.statistic, abs=1e-6)
    assert correlation_test(found, 20) == pytest.approx(expected.pvalue, abs=1e-6)
    assert correlate(np.ones(5), other[:5].astype(np.float32)) == 0.0
    assert correlation_test(1.0, 2) == 1.0
