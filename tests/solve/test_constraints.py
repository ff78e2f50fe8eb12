"""The box of pixels: its penalty against automatic differentiation, and the scale that fits."""

import pytest
import torch
from torch.nn import functional

from audit.solve.constraints import Box
from tests.helpers import normal
from tests.planted import generator


def box(size=12, rank=5, seed=0):
    """Lower and upper bounds that differ from pixel to pixel."""
    rng = generator(seed)
    basis = torch.linalg.qr(torch.randn(size, rank, generator=rng, dtype=torch.float64)).Q
    low = -0.2 - torch.rand(size, generator=rng, dtype=torch.float64)
    return Box(basis, low, 0.1 + torch.rand(size, generator=rng, dtype=torch.float64))


def outside(images, bounds):
    return (images - bounds.high).clamp_min(0) - (bounds.low - images).clamp_min(0)


def overshoot(images, bounds):
    return outside(images, bounds).square().sum(1) / images.square().sum(1)


@pytest.mark.parametrize("restarts", [(), (3,)])
@pytest.mark.parametrize("scale", [0.5, 2.0, 30.0])
def test_gradient_is_that_of_the_stated_penalty(restarts, scale) -> None:
    bounds = box()
    inputs = (scale * normal(*restarts, 7, 5)).requires_grad_()
    energy = outside(inputs @ bounds.basis.T, bounds).square().sum(-1) / bounds.energy
    energy.mean(-1).sum().backward()
    assert inputs.grad.abs().max() > 0.0
    torch.testing.assert_close(bounds.gradient(inputs.detach()), inputs.grad)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_gradients_of_parts_weighted_by_their_energy_add_up_to_the_whole(parts) -> None:
    bounds, inputs = box(), 3.0 * normal(2, 7, 5)
    pieces = [bounds.part(pixels) for pixels in torch.randperm(12, generator=generator(2)).chunk(parts)]
    shares = [piece.energy / bounds.energy for piece in pieces]
    assert sum(shares) == pytest.approx(1.0)
    total = sum(share * piece.gradient(inputs) for share, piece in zip(shares, pieces, strict=True))
    torch.testing.assert_close(total, bounds.gradient(inputs))


def test_with_equal_bounds_the_mean_over_equal_parts_is_the_whole() -> None:
    """Elsewhere it is so up to the spread of the parts' energies: each is relative to its own."""
    bounds, inputs = box(), 3.0 * normal(2, 7, 5)
    even = Box(bounds.basis, torch.full_like(bounds.low, -0.4), torch.full_like(bounds.high, 0.3))

    def mean(whole):
        pieces = torch.randperm(12, generator=generator(2)).chunk(3)
        return torch.stack([whole.part(pixels).gradient(inputs) for pixels in pieces]).mean(0)

    torch.testing.assert_close(mean(even), even.gradient(inputs))
    assert not torch.allclose(mean(bounds), bounds.gradient(inputs))
    assert float(mean(bounds).norm()) == pytest.approx(float(bounds.gradient(inputs).norm()), rel=0.2)


def test_inside_the_box_nothing_pulls() -> None:
    bounds = box()
    small = 0.1 * normal(7, 5) / 5
    assert not outside(small @ bounds.basis.T, bounds).any()
    assert not bounds.gradient(small).any()


def test_energy_is_that_of_an_image_half_of_which_saturates() -> None:
    bounds = Box(torch.eye(4), torch.full((4,), -1.0), torch.full((4,), 2.0))
    assert bounds.energy == pytest.approx(2 * 1.0 + 2 * 4.0)
    assert bounds.typical_norm == pytest.approx(0.25 * 3.0 * 2.0)


@pytest.mark.parametrize("share", [1e-3, 0.1, 0.5])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scaled_images_overshoot_by_the_given_share(share, scale) -> None:
    bounds, images = box(), normal(9, 12)
    fitted = bounds.scale_to_fit(scale * images, share)
    assert fitted.shape == images.shape
    assert overshoot(fitted, bounds).tolist() == pytest.approx([share] * 9, rel=1e-6)
    assert (overshoot(fitted, bounds) <= share).all()
    torch.testing.assert_close(functional.normalize(fitted, dim=1), functional.normalize(images, dim=1))


def test_scale_of_the_input_does_not_matter() -> None:
    bounds, images = box(), normal(9, 12)
    sizes = torch.logspace(-4, 4, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(bounds.scale_to_fit(sizes * images, 0.01), bounds.scale_to_fit(images, 0.01))


def test_images_are_fitted_one_by_one() -> None:
    bounds, images = box(), normal(9, 12)
    alone = torch.cat([bounds.scale_to_fit(image[None], 0.05) for image in images])
    torch.testing.assert_close(bounds.scale_to_fit(images, 0.05), alone)


def test_on_a_worked_example() -> None:
    """Outside 1 at scale s: (3s - 1)^2 of 9 s^2 + 1 s^2, hence 3 - 1 / s = sqrt(10 * share)."""
    bounds = Box(torch.eye(2), -torch.ones(2), torch.ones(2))
    image = torch.tensor([[3.0, 1.0]])
    expected = image / (3.0 - 0.1**0.5)
    torch.testing.assert_close(bounds.scale_to_fit(image, 0.01), expected)


def test_images_of_zeros_stay() -> None:
    assert not box().scale_to_fit(torch.zeros(3, 12, dtype=torch.float64), 0.1).any()


def test_a_bound_at_zero_cuts_off_one_sign() -> None:
    bounds = Box(torch.eye(3), torch.zeros(3), torch.ones(3))
    fitted = bounds.scale_to_fit(torch.tensor([[4.0, 2.0, -0.2]]), 0.1)
    assert fitted[0, 0] > 1.0
    assert float(overshoot(fitted, bounds)) == pytest.approx(0.1, rel=1e-4)
