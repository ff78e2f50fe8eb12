"""From candidates to images: two readings, at any scale, of everything that restarts did not find twice."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from audit.equation.candidates import Candidates
from audit.equation.row_space import RowSpace
from audit.solve.constraints import Box
from audit.solve.images import CLIPPED, FITTED, Rescalings, choose_rescalings, images
from tests.helpers import normal
from tests.planted import generator

SIZE, RANK = 15, 6


def setting():
    basis = torch.linalg.qr(normal(SIZE, RANK, seed=9)).Q
    rng = generator(8)
    low = -0.5 - torch.rand(SIZE, generator=rng, dtype=torch.float64)
    high = 0.3 + torch.rand(SIZE, generator=rng, dtype=torch.float64)
    return RowSpace(basis, torch.ones(RANK), 0.0), Box(basis, low, high)


def overshoot(rows, box):
    excess = rows - torch.minimum(torch.maximum(rows, box.low), box.high)
    return excess.square().sum(1) / rows.square().sum(1)


def cosines(rows, others):
    return functional.cosine_similarity(rows, others)


def test_every_image_is_given_in_both_readings() -> None:
    _, box = setting()
    lifted = normal(8, SIZE)
    found = Rescalings(box)(lifted)
    assert found.shape == (16, SIZE)
    fitted, clipped = found.chunk(2)
    assert overshoot(fitted, box).tolist() == pytest.approx([FITTED] * 8, rel=1e-4)
    assert cosines(fitted, lifted).tolist() == pytest.approx([1.0] * 8)
    assert (clipped >= box.low).all()
    assert (clipped <= box.high).all()
    assert (clipped.norm(dim=1) > fitted.norm(dim=1)).all()
    assert (cosines(clipped, lifted) > 0.9).all()
    assert FITTED < CLIPPED


def test_the_clipped_reading_is_cut_off_not_shrunk() -> None:
    _, box = setting()
    lifted = normal(8, SIZE)
    larger = box.scale_to_fit(lifted, CLIPPED)
    expected = torch.minimum(torch.maximum(larger, box.low), box.high)
    clipped = Rescalings(box)(lifted)[8:]
    torch.testing.assert_close(clipped, expected)
    assert ((clipped == box.low) | (clipped == box.high)).any(dim=1).all()


@pytest.mark.parametrize("scale", [1e-4, 7.0, 1e4])
def test_the_scale_of_a_candidate_is_not_looked_at(scale) -> None:
    _, box = setting()
    lifted = normal(8, SIZE)
    torch.testing.assert_close(Rescalings(box)(scale * lifted), Rescalings(box)(lifted))


def test_no_images_give_no_readings() -> None:
    _, box = setting()
    assert Rescalings(box)(torch.zeros(0, SIZE, dtype=torch.float64)).shape == (0, SIZE)


def test_images_are_the_readings_of_lifted_candidates() -> None:
    space, box = setting()
    inputs = normal(2, 4, RANK)
    candidates = Candidates(inputs, torch.ones(2, 4, 1, dtype=torch.float64), torch.tensor([0, 1, 0, 1]))
    found = images(candidates, space, Rescalings(box))
    assert found.shape == (16, SIZE)
    lifted = inputs.flatten(0, 1) @ space.basis.T
    fitted, clipped = found.chunk(2)
    pairing = functional.normalize(fitted, dim=1) @ functional.normalize(lifted, dim=1).T
    order = pairing.argmax(1)
    assert sorted(order.tolist()) == list(range(8))
    torch.testing.assert_close(torch.cat([fitted, clipped]), Rescalings(box)(lifted[order]))


def test_both_signs_are_given_where_they_are_asked_for() -> None:
    space, box = setting()
    inputs = normal(1, 4, RANK)
    candidates = Candidates(inputs, torch.ones(1, 4, 1, dtype=torch.float64), None)
    one = images(candidates, space, Rescalings(box))
    other = images(replace(candidates, inputs=-inputs), space, Rescalings(box))
    found = images(candidates, space, Rescalings(box), both_signs=True)
    assert found.shape == (16, SIZE)
    fitted, clipped = ([*one.chunk(2)[part], *other.chunk(2)[part]] for part in (0, 1))
    torch.testing.assert_close(found, torch.stack([*fitted, *clipped]))


def test_what_restarts_agree_on_is_given_once() -> None:
    space, box = setting()
    inputs = normal(1, 4, RANK)
    restarts = torch.cat([inputs, 3.0 * inputs, inputs[:, [1, 0, 3, 2]]])
    labels = torch.zeros(4, dtype=torch.int64)
    weights = torch.ones(3, 4, 1, dtype=torch.float64)
    agreeing = images(Candidates(restarts, weights, labels), space, Rescalings(box))
    alone = images(Candidates(inputs, weights[:1], labels), space, Rescalings(box))
    assert agreeing.shape == (8, SIZE)
    pairing = functional.normalize(agreeing[:4], dim=1) @ functional.normalize(alone[:4], dim=1).T
    assert pairing.amax(1).tolist() == pytest.approx([1.0] * 4)
    assert sorted(pairing.argmax(1).tolist()) == [0, 1, 2, 3]


def test_where_a_candidate_has_a_scale_of_its_own_it_is_also_given_as_it_is() -> None:
    space, box = setting()
    lifted = normal(4, SIZE)
    read = choose_rescalings(box, space, own_scale=True, shape=None)
    found = read(lifted)
    assert found.shape == (12, SIZE)
    torch.testing.assert_close(found[:8], Rescalings(box)(lifted))
    torch.testing.assert_close(found[8:], torch.minimum(torch.maximum(lifted, box.low), box.high))
    assert read.note is None


def test_noise_of_a_gradient_is_taken_out_by_total_variation() -> None:
    side, rng = 16, generator(3)
    box = Box(torch.eye(side * side), -torch.ones(side * side), 3 * torch.ones(side * side))
    image = -torch.ones(side, side)
    image[4:12, 4:12] = 3.0
    noisy = image.flatten() + 0.6 * torch.randn(5, side * side, generator=rng)
    values = torch.tensor([1.0, 0.75])  # one signal, and noise of .6 of the whole
    read = choose_rescalings(box, RowSpace(box.basis, values, 0.9), own_scale=True, shape=(1, side, side))
    assert read.variation == pytest.approx(0.06)
    assert read.note == "total variation of weight 0.06 in one rescaling"
    *_, plain, smooth = read(noisy).chunk(4)
    errors = [(found - image.flatten()).square().mean() for found in (plain, smooth)]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize(
    ("own_scale", "shape", "noise"), [(False, (1, 3, 4), 0.9), (True, None, 0.9), (True, (1, 3, 4), 0.0)]
)
def test_without_noise_shape_or_scale_nothing_is_smoothed(own_scale, shape, noise) -> None:
    space, box = setting()
    space = replace(space, singular_values=torch.tensor([1.0, noise]), edge=0.95)
    assert choose_rescalings(box, space, own_scale=own_scale, shape=shape).variation == 0.0


def test_rows_of_a_table_are_never_cut_off() -> None:
    space, box = setting()
    lifted = 3.0 * normal(8, SIZE)
    read = choose_rescalings(box, space, own_scale=False, shape=(SIZE,))
    torch.testing.assert_close(read(lifted), Rescalings(box)(lifted)[:8])
    assert (read(lifted) > box.high).any()
    noisy = replace(space, singular_values=torch.tensor([1.0, 0.9]), edge=0.95)
    own = choose_rescalings(box, noisy, own_scale=True, shape=(SIZE,))
    torch.testing.assert_close(own(lifted)[8:], lifted)
    assert own.variation == 0.0
