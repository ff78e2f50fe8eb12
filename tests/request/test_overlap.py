"""Two sets of distinct samples: what counts once, what leaves the controls, and what is refused."""

import numpy as np
import pytest

from audit.dataset.samples import Samples
from audit.errors import DataError
from audit.request.overlap import set_apart, without_copies
from tests.dataset.support import image_set
from tests.tiny import blobs

IMAGES = (blobs(60) / 255).astype(np.float32)[..., None]


def sets(controls: np.ndarray) -> tuple[Samples, Samples]:
    return image_set(IMAGES[:20], source="m.npz"), image_set(controls, source="c.npz")


def test_copies_count_once_and_are_noted() -> None:
    assert without_copies(image_set(IMAGES), "members")[1] == []
    kept, notes = without_copies(image_set(IMAGES[[0, 1, 0, 0]]), "controls")
    assert (len(kept), kept.left_out) == (2, ("2", "3"))
    assert notes == ["exact copies among the controls: 2; each sample counts once"]


def test_controls_that_share_nothing_stay() -> None:
    members, controls = sets(IMAGES[20:])
    kept, notes = set_apart(members, controls, chosen=True)
    assert (kept.ids, kept.left_out, notes) == (controls.ids, (), [])


def test_shared_images_are_counted_and_the_first_named() -> None:
    theirs = IMAGES[20:].copy()
    theirs[[2, 5]] = IMAGES[[3, 0]]
    with pytest.raises(DataError) as caught:
        set_apart(*sets(theirs), chosen=True)
    assert "2 of the 40 controls" in str(caught.value)
    assert "image 2 of c.npz is image 3 of m.npz" in str(caught.value)


def test_the_same_source_given_twice_is_named_as_such() -> None:
    members, _ = sets(IMAGES)
    with pytest.raises(DataError, match=r"--data and --controls are both m.npz; controls must be images"):
        set_apart(members, members, chosen=True)
    with pytest.raises(DataError, match="20 of the 20 controls are also members"):
        set_apart(*sets(IMAGES[:20]), chosen=True)


def test_controls_of_a_named_set_that_are_members_are_left_out() -> None:
    theirs = IMAGES[20:].copy()
    theirs[[2, 5]] = IMAGES[[3, 0]]
    kept, notes = set_apart(*sets(theirs), chosen=False)
    assert (len(kept), kept.left_out) == (38, ("2", "5"))
    assert notes == ["left out of the controls, being members: 2 of 40"]
    with pytest.raises(DataError, match=r"every control of c.npz is also a member"):
        set_apart(*sets(IMAGES[:20]), chosen=False)


def test_near_copies_of_members_leave_the_controls() -> None:
    theirs = IMAGES[20:].copy()
    theirs[[2, 5, 7, 8]] = 0.8 * IMAGES[[3, 0, 1, 2]] + np.float32(0.1)
    kept, (note,) = set_apart(*sets(theirs), chosen=True)
    assert kept.left_out == ("2", "5", "7", "8")
    assert note == "left out of the controls, being near copies of members (SSIM of at least 0.9): 4 of 40"


def test_more_than_a_tenth_of_near_copies_is_refused() -> None:
    theirs = IMAGES[20:].copy()
    theirs[:5] = 0.8 * IMAGES[10:15] + np.float32(0.1)
    with pytest.raises(
        DataError, match=r"5 of the 40 controls are near copies .* image 0 of c.npz is nearly image 10"
    ):
        set_apart(*sets(theirs), chosen=True)
