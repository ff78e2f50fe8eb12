"""Candidates: joining, pooling, and merging of what restarts found twice."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from audit.equation.candidates import Candidates, concatenate, merge_near_duplicates, support
from tests.planted import generator


def make(inputs, weights, labels=None):
    return Candidates(
        torch.as_tensor(inputs, dtype=torch.float64),
        torch.as_tensor(weights, dtype=torch.float64).reshape(len(weights), -1),
        None if labels is None else torch.as_tensor(labels),
    )


def clusters(groups, copies, seed=0, size=30, jitter=0.02):
    """`copies` noisy, rescaled copies of each of `groups` far apart directions."""
    rng = generator(seed)
    centres = torch.linalg.qr(torch.randn(size, groups, generator=rng, dtype=torch.float64)).Q.T
    rows = centres.repeat(copies, 1)
    noise = torch.randn(rows.shape, generator=rng, dtype=torch.float64) / size**0.5
    scales = 0.5 + torch.rand(len(rows), 1, generator=rng, dtype=torch.float64)
    weights = 0.1 + torch.rand(len(rows), 1, generator=rng, dtype=torch.float64)
    return Candidates(scales * (rows + jitter * noise), weights, torch.zeros(len(rows), dtype=torch.int64))


def shuffled(candidates, order):
    order = torch.as_tensor(order)
    return Candidates(candidates.inputs[order], candidates.weights[order], candidates.labels[order])


def test_length_is_per_restart() -> None:
    assert len(make([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]], [1.0, 1.0, 1.0])) == 3
    assert len(Candidates(torch.zeros(4, 7, 2), torch.zeros(4, 7, 1), None)) == 7


def test_detach_cuts_inputs_and_weights_off() -> None:
    point = torch.ones(2, 3, requires_grad=True)
    labels = torch.tensor([0, 1])
    cut = Candidates(2 * point, 3 * point[:, :1], labels).detach()
    assert not cut.inputs.requires_grad
    assert not cut.weights.requires_grad
    assert cut.labels is labels


@pytest.mark.parametrize("own_labels", [False, True])
def test_pooled_flattens_restarts_in_order(own_labels) -> None:
    inputs = torch.arange(24.0).reshape(2, 3, 4)
    weights = torch.arange(6.0).reshape(2, 3, 1)
    labels = torch.tensor([[0, 1, 2], [3, 4, 5]]) if own_labels else torch.tensor([0, 1, 2])
    pool = Candidates(inputs, weights, labels).flatten()
    assert torch.equal(pool.inputs, torch.cat([inputs[0], inputs[1]]))
    assert torch.equal(pool.weights, torch.cat([weights[0], weights[1]]))
    assert pool.labels.tolist() == ([0, 1, 2, 3, 4, 5] if own_labels else [0, 1, 2, 0, 1, 2])
    assert Candidates(inputs, weights, None).flatten().labels is None


@pytest.mark.parametrize("restarts", [(), (2,)])
@pytest.mark.parametrize("labelled", [True, False])
def test_concatenate_joins_along_candidates(restarts, labelled) -> None:
    parts = []
    for count in (2, 0, 3):
        labels = torch.arange(count) if labelled else None
        inputs = torch.full((*restarts, count, 4), float(count))
        parts.append(Candidates(inputs, torch.full((*restarts, count, 1), -float(count)), labels))
    joined = concatenate(parts)
    assert joined.inputs.shape == (*restarts, 5, 4)
    assert joined.inputs[..., 0].flatten()[:5].tolist() == [2.0, 2.0, 3.0, 3.0, 3.0]
    assert torch.equal(joined.weights[..., 0], -joined.inputs[..., 0])
    assert (joined.labels.tolist() == [0, 1, 0, 1, 2]) if labelled else joined.labels is None


def test_copies_are_merged_and_their_weights_added() -> None:
    merged = merge_near_duplicates(make([[1.0, 0.0], [0.0, 5.0], [3.0, 0.0]], [1.0, 10.0, 3.0], [0, 0, 0]))
    assert merged.inputs.tolist() == [[0.0, 5.0], [2.5, 0.0]]  # (1 * 1 + 3 * 3) / 4
    assert merged.weights.tolist() == [[10.0], [4.0]]
    assert merged.labels.tolist() == [0, 0]


def test_different_labels_stay_apart() -> None:
    pairs = make([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], [3.0, 2.0, 0.5], [0, 1, 0])
    merged = merge_near_duplicates(pairs)
    assert merged.labels.tolist() == [0, 1]
    assert merged.weights.tolist() == [[3.5], [2.0]]
    unlabelled = merge_near_duplicates(Candidates(pairs.inputs, pairs.weights, None))
    assert unlabelled.labels is None
    assert unlabelled.weights.tolist() == [[5.5]]


def test_labels_follow_their_candidates() -> None:
    merged = merge_near_duplicates(make([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [3.0, 2.0, 1.0], [4, 4, 7]))
    assert merged.labels.tolist() == [4, 7]


def test_no_candidate_is_merged_twice() -> None:
    """B is like A and like C, which are not alike: it goes to the heavier of them."""
    angles = torch.tensor([0.0, 0.17, 0.34], dtype=torch.float64)
    chain = torch.stack([angles.cos(), angles.sin()], dim=1)
    merged = merge_near_duplicates(make(chain.tolist(), [5.0, 1.0, 3.0]))
    assert merged.weights.tolist() == [[6.0], [3.0]]
    assert merged.inputs[1].tolist() == pytest.approx(chain[2].tolist())


def test_opposite_directions_stay_apart() -> None:
    assert len(merge_near_duplicates(make([[1.0, 1.0], [-1.0, -1.0]], [1.0, 1.0]))) == 2


def test_several_and_signed_weights() -> None:
    merged = merge_near_duplicates(make([[2.0, 0.0], [4.0, 0.0]], [[1.0, -1.0], [3.0, 3.0]]))
    assert merged.weights.tolist() == [[4.0, 2.0]]
    assert merged.inputs[0].tolist() == pytest.approx([3.5, 0.0])  # shares 2 and 6


@pytest.mark.parametrize("angle", [0.05, 0.15, 0.19, 0.22, 0.5])
def test_the_cosine_decides(angle) -> None:
    angle = torch.tensor(angle, dtype=torch.float64)
    pair = make([[1.0, 0.0], [float(angle.cos()), float(angle.sin())]], [2.0, 1.0])
    assert len(merge_near_duplicates(pair)) == (1 if angle.cos() > 0.98 else 2)
    assert len(merge_near_duplicates(pair, cosine=0.999)) == (1 if angle.cos() > 0.999 else 2)


@pytest.mark.parametrize("labels", [None, torch.zeros(0, dtype=torch.int64)])
def test_nothing_to_merge(labels) -> None:
    merged = merge_near_duplicates(Candidates(torch.zeros(0, 3), torch.zeros(0, 1), labels))
    assert merged.inputs.shape == (0, 3)
    assert merged.weights.shape == (0, 1)


def test_candidates_without_direction_are_kept_as_they_are() -> None:
    merged = merge_near_duplicates(make([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], [1.0, 2.0, 3.0]))
    assert merged.inputs.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert merged.weights.tolist() == [[3.0], [1.0], [2.0]]


def test_candidates_without_weight_stay_finite() -> None:
    inputs = torch.tensor([[0.5, 0.25], [0.5, 0.25], [-1e-3, 2e-3]])
    merged = merge_near_duplicates(Candidates(inputs, torch.zeros(3, 1), None))
    torch.testing.assert_close(merged.inputs, inputs[1:], rtol=1e-2, atol=0.0)
    assert merged.weights.tolist() == [[0.0], [0.0]]


def test_heaviest_first() -> None:
    candidates = clusters(groups=12, copies=1)
    merged = merge_near_duplicates(candidates)
    mass = (merged.weights[:, 0] * merged.inputs.norm(dim=1)).tolist()
    assert mass == sorted(mass, reverse=True)
    torch.testing.assert_close(merged.inputs.sum(0), candidates.inputs.sum(0))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 5), st.randoms(use_true_random=False))
def test_groups_and_their_number_do_not_depend_on_the_order(groups, copies, seed, random) -> None:
    candidates = clusters(groups, copies, seed)
    order = list(range(len(candidates)))
    random.shuffle(order)
    merged, other = merge_near_duplicates(candidates), merge_near_duplicates(shuffled(candidates, order))
    assert len(merged) == len(other) == groups
    torch.testing.assert_close(other.inputs, merged.inputs)
    torch.testing.assert_close(other.weights, merged.weights)
    torch.testing.assert_close(merged.weights.sum(), candidates.weights.sum())


def plainly_merged(candidates, cosine):
    """(inputs, weights, label) of every group, from all cosines at once."""
    mass = [
        float(w.abs().sum() * x.norm()) for x, w in zip(candidates.inputs, candidates.weights, strict=True)
    ]
    directions = functional.normalize(candidates.inputs, dim=1)
    alike = (directions @ directions.T > cosine) & (candidates.labels[:, None] == candidates.labels)
    left, found = sorted(range(len(candidates)), key=lambda index: -mass[index]), []
    while left:
        group = [index for index in left if alike[left[0], index]]
        shares = candidates.weights[group].abs().sum(1, keepdim=True)
        mean = (shares * candidates.inputs[group]).sum(0) / shares.sum()
        found.append((mean, candidates.weights[group].sum(0), int(candidates.labels[left[0]])))
        left = [index for index in left if index not in group]
    return found


@pytest.mark.parametrize("count", [1, 40, 700])
@pytest.mark.parametrize("cosine", [0.5, 0.98])
def test_merging_is_that_of_the_matrix_of_all_cosines(count, cosine) -> None:
    """In two dimensions, where groups are large and overlap."""
    rng = generator(count)
    inputs = torch.randn(count, 2, generator=rng, dtype=torch.float64)
    weights = torch.randn(count, 3, generator=rng, dtype=torch.float64)
    candidates = Candidates(inputs, weights, torch.arange(count) % 3)
    merged, expected = merge_near_duplicates(candidates, cosine), plainly_merged(candidates, cosine)
    means, sums, labels = zip(*expected, strict=True)
    torch.testing.assert_close(merged.inputs, torch.stack(means))
    torch.testing.assert_close(merged.weights, torch.stack(sums))
    assert merged.labels.tolist() == list(labels)
    assert len(merged) < count or count == 1


def test_merged_candidates_point_where_their_group_pointed() -> None:
    merged = merge_near_duplicates(clusters(groups=6, copies=5, seed=1))
    exact = clusters(groups=6, copies=1, seed=1, jitter=0.0)
    cosines = functional.normalize(merged.inputs, dim=1) @ functional.normalize(exact.inputs, dim=1).T
    assert sorted(cosines.argmax(1).tolist()) == list(range(6))
    assert (cosines.amax(1) > 0.999).all()


def test_merging_twice_changes_nothing() -> None:
    once = merge_near_duplicates(clusters(groups=7, copies=4))
    twice = merge_near_duplicates(once)
    assert len(once) == len(twice)
    torch.testing.assert_close(twice.weights.sum(), once.weights.sum())


def test_support_is_the_mass_of_what_is_near() -> None:
    pool = make([[1.0, 0.0], [2.0, 0.2], [0.0, 3.0], [-1.0, 0.0]], [1.0, -2.0, 1.0, 5.0])
    found = support(torch.tensor([[7.0, 0.0], [0.0, 0.1], [1.0, -1.0], [0.0, 0.0]]), pool)
    norm = (4 + 0.04) ** 0.5
    assert found.tolist() == pytest.approx([1.0 + 2.0 * norm, 3.0, 0.0, 0.0])
    assert support(torch.zeros(0, 2), pool).shape == (0,)


def test_candidates_that_are_not_finite_support_nothing() -> None:
    pool = make([[1.0, 0.0], [float("nan"), 0.0]], [1.0, 1.0])
    assert support(torch.tensor([[1.0, 0.0], [float("inf"), 1.0]]), pool).tolist() == [1.0, 0.0]
