"""How one candidate went, on made-up attacks: whose parent and whose twin are shown, and which way round."""

import numpy as np
import pytest
import torch

from audit.attacks.kkt_margin import KktMargin
from audit.battery import AttackResult, SplitTrace
from audit.model.preprocessing import Preprocessing
from audit.pipeline.trajectory import trajectory
from audit.scoring.similarity import rescale, ssim
from audit.solve.constraints import Box
from audit.solve.images import Rescalings
from tests.planted import generator
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


def result(rounds=(1, 1), place=PLACE, sign=1.0, symmetric=True, splitting=True):
    """Noise everywhere but at the candidate, its twin and what both were before; another copy in restart 0."""
    noise = torch.randn(4, RESTARTS, 2 * HALF, SIZE, generator=generator()).numpy()
    after, before = 0.3 * noise[0], 0.3 * noise[1]
    twin = (place + HALF) % (2 * HALF)
    after[RESTART, place], after[RESTART, twin] = sign * ROWS[MEMBER], sign * ROWS[TWIN]
    before[RESTART, place] = before[RESTART, twin] = sign * ROWS[PARENT]
    after[0, 0] = 0.7 * ROWS[MEMBER] + 0.3 * ROWS[OTHER]
    before[0, 0] = before[0, HALF] = ROWS[OTHER]
    losses = np.array([0.1, 0.2], np.float32)
    low, high = (torch.from_numpy(bound) for bound in FORMAT.box())
    rescale = Rescalings(Box(torch.eye(SIZE), low, high))
    images, kept = np.zeros((2, SIZE), np.float32), np.array(rounds) > 0
    done = SplitTrace(
        images=images,
        losses=2 * losses,
        rounds=np.array(rounds),
        splits=3 * np.array(rounds),
        gradient=None,
        eigenvalue=None,
        parents=before[kept],
        children=after[kept],
        sign_symmetric=symmetric,
        rescale=lambda rows: rescale(torch.from_numpy(rows)).numpy(),
    )
    return AttackResult(
        attack=KktMargin(),
        reconstructions=images,
        null=images,
        row_space=images,
        support=np.zeros(len(images), np.float32),
        readings=1,
        losses=losses,
        history=(),
        steps=2,
        solved=False,
        splitting=done if splitting else None,
        seconds=0.0,
        note="",
    )


def follow(*arguments, member=MEMBER, **more):
    return trajectory(result(*arguments, **more), 7, ROWS[member], FORMAT)


def resembles(image, index):
    """Whether it looks like that image, up to what reading it from the box changes."""
    similar = [ssim(image, one) for one in IMAGES[:4]]
    return int(np.argmax(similar)) == index and similar[index] > 0.8


def assert_course(found, *stages) -> None:
    assert [len(images) for images in found.stages] == [len(expected) for expected in stages]
    for images, expected in zip(found.stages, stages, strict=True):
        assert all(resembles(image, index) for image, index in zip(images, expected, strict=True))


@pytest.mark.parametrize("place", [0, PLACE, HALF, 2 * HALF - 1])
def test_it_leads_from_the_parent_to_both_children_of_the_right_restart(place) -> None:
    found = follow(place=place)
    assert (found.attack, found.sample) == ("kkt-margin", 7)
    assert_course(found, [PARENT], [MEMBER, TWIN])
    np.testing.assert_allclose(found.member, rescale(IMAGES[MEMBER]), atol=1e-6)


def test_similarities_are_those_of_the_images_shown() -> None:
    found = follow()
    for images, similarities in zip(found.stages, found.ssim, strict=True):
        assert len(images) == len(similarities)
        for image, similarity in zip(images, similarities, strict=True):
            assert similarity == pytest.approx(ssim(image, IMAGES[MEMBER]), abs=1e-5)
    assert found.ssim[1][0] > 0.8 > found.ssim[1][1]
    assert found.ssim[1][0] > found.ssim[0][0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_images_fit_a_page_and_have_the_shape_of_a_member(sign) -> None:
    found = follow(sign=sign)
    for image in [found.member, *(image for stage in found.stages for image in stage)]:
        assert image.shape == (SIDE, SIDE, 1)
        assert image.min() >= 0.0
        assert image.max() <= 1.0


def test_the_mirror_image_of_a_member_is_shown_the_right_way_round() -> None:
    assert_course(follow(sign=-1.0), [PARENT], [MEMBER, TWIN])


def test_mirror_images_do_not_count_where_the_network_tells_them_apart() -> None:
    found = follow(sign=-1.0, symmetric=False)
    assert resembles(found.stages[0][0], OTHER)


def test_restarts_without_a_kept_round_are_left_out() -> None:
    found = follow(rounds=(1, 0))
    assert resembles(found.stages[0][0], OTHER)
    assert resembles(found.stages[1][0], MEMBER)
    assert found.ssim[1][0] < follow().ssim[1][0]
    assert resembles(follow(rounds=(0, 1)).stages[0][0], PARENT)


def test_without_a_kept_round_there_is_nothing_to_follow() -> None:
    assert follow(rounds=(0, 0)) is None
    assert follow(splitting=False) is None


def test_candidates_that_are_not_finite_are_never_followed() -> None:
    made = result()
    made.splitting.children[0] = made.splitting.parents[0] = np.nan
    found = trajectory(made, 7, ROWS[MEMBER], FORMAT)
    assert_course(found, [PARENT], [MEMBER, TWIN])
