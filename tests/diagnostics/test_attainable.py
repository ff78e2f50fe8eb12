"""The rank ceiling: exact where it is known, never below what can be reached, and honest about its time."""

import numpy as np
import pytest
import torch

from audit.budget import Budget
from audit.diagnostics.attainable import TOLERANCE, AttainableSsim, attainable_ssim, local_ssim
from audit.equation.row_space import RowSpace
from audit.errors import DataError
from audit.model.preprocessing import Preprocessing
from audit.scoring.similarity import ssim_pairs
from tests.planted import Clock, generator
from tests.tiny import SIDE, blobs

SIZE = SIDE * SIDE


def plenty():
    return Budget(100.0, Clock())


def form(channels=1, mean=0.4, std=0.5):
    size = channels * SIZE
    return Preprocessing(
        (channels, SIDE, SIDE), np.full(size, mean, np.float32), np.full(size, std, np.float32)
    )


def space(directions):
    """Spanned by rows (r, d)."""
    basis = torch.linalg.qr(directions.T).Q
    return RowSpace(basis, torch.ones(len(directions)), 0.5)


def random_space(rank, size=SIZE, seed=0):
    return space(torch.randn(rank, size, generator=generator(seed)))


def members(count=6, channels=1, seed=0):
    pixels = blobs(channels * count, seed).reshape(count, channels, SIDE, SIDE).transpose(0, 2, 3, 1) / 255
    return form(channels).normalise(pixels.astype(np.float32))


def pixels_of(inputs, fmt):
    return torch.from_numpy(fmt.denormalise(inputs)).permute(0, 3, 1, 2)


# SSIM


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 8, 15), (1, 5, 4), (2, 3, 3)])
def test_differentiable_ssim_is_the_convention(shape) -> None:
    rng = generator(1)
    a, b = torch.randn(5, *shape, generator=rng), torch.randn(5, *shape, generator=rng) * 3 + 1
    b[0], b[1] = a[0], 0.5
    expected = ssim_pairs(*(x.permute(0, 2, 3, 1).numpy() for x in (a, b)))
    np.testing.assert_allclose(local_ssim(a, b), expected, atol=2e-5)


# The ceiling


@pytest.mark.parametrize("channels", [1, 3])
def test_members_inside_the_row_space_have_no_ceiling(channels) -> None:
    rows = members(channels=channels)
    others = torch.randn(3, rows.shape[1], generator=generator(2))
    found = attainable_ssim(
        space(torch.cat([torch.from_numpy(rows), others])), rows, form(channels), plenty()
    )
    np.testing.assert_allclose(found.ssim, 1.0, atol=1e-4)
    np.testing.assert_allclose(found.projection, 1.0, atol=1e-4)
    assert found.complete


def test_nothing_is_climbed_in_the_whole_space() -> None:
    rows = members()
    found = attainable_ssim(space(torch.eye(SIZE)), rows, form(), Budget(0.0, Clock()))
    np.testing.assert_allclose(found.ssim, 1.0, atol=1e-4)
    assert found.complete


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rank", [2, 20])
def test_the_ceiling_is_above_the_projection_and_what_else_is_in_the_space(rank, channels) -> None:
    """Nothing drawn or climbed from elsewhere in the space comes above it by more than the stated tolerance."""
    fmt, rows = form(channels), members(channels=channels)
    here = random_space(rank, rows.shape[1])
    found = attainable_ssim(here, rows, fmt, plenty())
    assert (found.ssim >= found.projection).all()
    assert found.ssim.max() < 0.99
    truth, rng = pixels_of(rows, fmt), generator(5)
    starts = torch.randn(len(rows), 8, rank, generator=rng)
    scale = torch.logspace(-1, 1.5, 8)[None, :, None]
    coordinates = (starts * scale * torch.from_numpy(rows).norm(dim=1)[:, None, None] / rank**0.5).clone()
    coordinates.requires_grad_()
    ascent = torch.optim.Adam([coordinates], lr=0.3)
    best = torch.zeros(len(rows))
    for step in range(150):
        lifted = here.lift(coordinates)
        pixels = (lifted * torch.from_numpy(fmt.std) + torch.from_numpy(fmt.mean)).flatten(0, 1)
        pixels = pixels.view(-1, *fmt.shape)
        pixels = pixels.clamp(0, 1) if step % 2 else pixels
        reached = local_ssim(truth.repeat_interleave(8, 0), pixels).view(len(rows), 8)
        best = torch.maximum(best, reached.detach().amax(1))
        ascent.zero_grad()
        (-reached.sum()).backward()
        ascent.step()
    assert (best.numpy() <= found.ssim + TOLERANCE).all()


def test_clipping_counts() -> None:
    """A disc on black is no pattern of two directions, but clipped it is."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    bowl = (0.5 - x**2 - y**2).flatten()
    fmt = form(mean=0.0, std=1.0)
    disc = (6 * bowl).clamp(0, 1)[None].numpy()
    found = attainable_ssim(space(torch.stack([bowl, torch.ones(SIZE)])), disc, fmt, plenty())
    assert found.ssim[0] > 0.98 > found.projection[0]


def test_a_larger_space_lowers_no_ceiling() -> None:
    rows, fmt = members(), form()
    directions = torch.randn(30, SIZE, generator=generator(3))
    small, large = (attainable_ssim(space(directions[:rank]), rows, fmt, plenty()).ssim for rank in (5, 30))
    assert (large >= small - TOLERANCE).all()
    assert large.mean() > small.mean() + 0.1


def test_members_are_climbed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, fmt, here = members(), form(), random_space(8)
    whole = attainable_ssim(here, rows, fmt, plenty())
    monkeypatch.setattr("audit.diagnostics.attainable._MEMBERS", 4)
    parts = attainable_ssim(here, rows, fmt, plenty())
    np.testing.assert_allclose(parts.ssim, whole.ssim, atol=1e-3)
    np.testing.assert_allclose(parts.projection, whole.projection, atol=1e-6)


def test_without_time_what_was_found_so_far_remains() -> None:
    rows, fmt, here = members(), form(), random_space(8)
    found, best = (
        attainable_ssim(here, rows, fmt, Budget(0.0, Clock())),
        attainable_ssim(here, rows, fmt, plenty()),
    )
    assert (found.complete, best.complete) == (False, True)
    np.testing.assert_allclose(found.projection, best.projection)
    assert (found.ssim >= found.projection).all()
    assert (best.ssim > found.ssim).all()


def test_what_is_reachable_is_counted_with_the_tolerance() -> None:
    found = AttainableSsim(np.array([0.4 - 2 * TOLERANCE, 0.4 - TOLERANCE / 2, 0.4, 0.9]), np.zeros(4), True)
    assert found.reachable(0.4) == 3
    assert found.reachable(0.99) == 0


def test_constant_members_and_a_space_of_nothing_are_finite() -> None:
    rows = np.concatenate([members(2), np.zeros((1, SIZE), np.float32)])
    found = attainable_ssim(random_space(3), rows, form(), plenty())
    assert np.isfinite(found.ssim).all()


def test_no_members() -> None:
    assert attainable_ssim(random_space(3), members(1)[:0], form(), plenty()).ssim.shape == (0,)


def test_images_too_small_for_ssim() -> None:
    fmt = Preprocessing((1, 2, 2), np.zeros(4, np.float32), np.ones(4, np.float32))
    with pytest.raises(DataError):
        attainable_ssim(random_space(2, 4), np.ones((1, 4), np.float32), fmt, plenty())
