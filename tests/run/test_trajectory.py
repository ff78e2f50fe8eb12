"""How one candidate went, on made-up attacks: whose parent and whose twin are shown, and which way round."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.attacks.kkt_margin import KktMargin
from audit.battery import AttackResult
from audit.equation.candidates import Candidates
from audit.equation.row_space import RowSpace
from audit.model.preprocessing import Preprocessing
from audit.run.trajectory import trajectory
from audit.scoring.similarity import rescale, ssim
from audit.solve.base import Solution, Splitting, Status
from audit.solve.constraints import Box
from audit.solve.images import Readings
from tests.planted import equation, generator, observation, small_network
from tests.tiny import blobs

SIDE, HALF, RESTARTS = 8, 3, 2
SIZE = SIDE * SIDE
MEAN, STD = 0.4, 0.5
FORMAT = Preprocessing(
    (1, SIDE, SIDE), np.full(SIZE, MEAN, dtype=np.float32), np.full(SIZE, STD, dtype=np.float32)
)
IMAGES = blobs(20, side=SIDE)[..., None].astype(np.float32) / 255
ROWS = FORMAT.normalise(IMAGES)
MEMBER, TWIN, PARENT, OTHER = range(4)
RESTART, PLACE = 1, 2
"""Where the candidate like the member is to be found."""


def result(rounds=(1, 1), place=PLACE, sign=1.0, activation="tanh", splitting=True):
    """Noise everywhere but at the candidate, its twin and what both were before; another copy in restart 0."""
    noise = torch.randn(4, RESTARTS, 2 * HALF, SIZE, generator=generator())
    after, before = 0.3 * noise[0], 0.3 * noise[1]
    rows = torch.from_numpy(ROWS)
    twin = (place + HALF) % (2 * HALF)
    after[RESTART, place], after[RESTART, twin] = sign * rows[MEMBER], sign * rows[TWIN]
    before[RESTART, place] = before[RESTART, twin] = sign * rows[PARENT]
    after[0, 0] = 0.7 * rows[MEMBER] + 0.3 * rows[OTHER]
    before[0, 0] = before[0, HALF] = rows[OTHER]
    weights = torch.ones(RESTARTS, 2 * HALF, 1)
    losses = torch.tensor([0.1, 0.2])
    done = Splitting(
        Candidates(before, weights, None),
        2 * losses,
        torch.tensor(rounds),
        3 * torch.tensor(rounds),
    )
    low, high = (torch.from_numpy(bound) for bound in FORMAT.box())
    network = small_network(1, 2, "none", SIZE, 5, dtype=torch.float32, activation=activation)
    attack, basis = KktMargin(), torch.eye(SIZE)
    solution = Solution(Candidates(after, weights, None), losses, Status.FINISHED, 2, ())
    images = np.zeros((2, SIZE), np.float32)
    return AttackResult(
        attack=attack,
        objective=equation(attack, observation(network)).objective,
        solution=replace(solution, splitting=done if splitting else None),
        space=RowSpace(basis, torch.ones(SIZE), 0.0),
        read=Readings(Box(basis, low, high)),
        reconstructions=images,
        before_splitting=images if splitting else None,
        certificate=None,
        null=images,
        seconds=0.0,
        note="",
    )


def follow(*arguments, member=MEMBER, **more):
    return trajectory(result(*arguments, **more), 7, ROWS[member], FORMAT)


def resembles(image, index):
    """Whether it looks like that image, up to what reading it from the box changes."""
    similar = [ssim(image, one) for one in IMAGES[:4]]
    return int(np.argmax(similar)) == index and similar[index] > 0.8


def assert_course(found, *stages):
    assert [len(images) for images in found.stages] == [len(expected) for expected in stages]
    for images, expected in zip(found.stages, stages, strict=True):
        assert all(resembles(image, index) for image, index in zip(images, expected, strict=True))


@pytest.mark.parametrize("place", [0, PLACE, HALF, 2 * HALF - 1])
def test_it_leads_from_the_parent_to_both_children_of_the_right_restart(place):
    found = follow(place=place)
    assert (found.attack, found.sample) == ("kkt-margin", 7)
    assert_course(found, [PARENT], [MEMBER, TWIN])
    np.testing.assert_allclose(found.member, rescale(IMAGES[MEMBER]), atol=1e-6)


def test_similarities_are_those_of_the_images_shown():
    found = follow()
    for images, similarities in zip(found.stages, found.ssim, strict=True):
        assert len(images) == len(similarities)
        for image, similarity in zip(images, similarities, strict=True):
            assert similarity == pytest.approx(ssim(image, IMAGES[MEMBER]), abs=1e-5)
    assert found.ssim[1][0] > 0.8 > found.ssim[1][1]
    assert found.ssim[1][0] > found.ssim[0][0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_images_fit_a_page_and_have_the_shape_of_a_member(sign):
    found = follow(sign=sign)
    for image in [found.member, *(image for stage in found.stages for image in stage)]:
        assert image.shape == (SIDE, SIDE, 1)
        assert image.min() >= 0.0
        assert image.max() <= 1.0


def test_the_mirror_image_of_a_member_is_shown_the_right_way_round():
    assert_course(follow(sign=-1.0), [PARENT], [MEMBER, TWIN])


def test_mirror_images_do_not_count_where_the_network_tells_them_apart():
    found = follow(sign=-1.0, activation="relu")
    assert resembles(found.stages[0][0], OTHER)


def test_restarts_without_a_kept_round_are_left_out():
    found = follow(rounds=(1, 0))
    assert resembles(found.stages[0][0], OTHER)
    assert resembles(found.stages[1][0], MEMBER)
    assert found.ssim[1][0] < follow().ssim[1][0]
    assert resembles(follow(rounds=(0, 1)).stages[0][0], PARENT)


def test_without_a_kept_round_there_is_nothing_to_follow():
    assert follow(rounds=(0, 0)) is None
    assert follow(splitting=False) is None


def test_candidates_that_are_not_finite_are_never_followed():
    made = result()
    made.solution.candidates.inputs[0] = torch.nan
    made.solution.splitting.before.inputs[0] = torch.nan
    found = trajectory(made, 7, ROWS[MEMBER], FORMAT)
    assert_course(found, [PARENT], [MEMBER, TWIN])
