"""Every activation against torch.nn's module of that name, its stand-in, its degree, and the names it goes by."""

import pytest
import torch
from torch import nn

from audit.model.activations import KNOWN, activation
from tests.planted import PLAIN_ACTIVATIONS

MODULES = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(),
    "leaky_relu:0.2": nn.LeakyReLU(0.2),
    "elu": nn.ELU(),
    "elu:0.7": nn.ELU(0.7),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "silu": nn.SiLU(),
    "softplus": nn.Softplus(),
    "softplus:2": nn.Softplus(2.0),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "identity": nn.Identity(),
}
POLYNOMIALS = [f"polynomial:{degree}" for degree in range(2, 10)]
KINKED = {"relu", "leaky_relu", "elu", "selu"}
BETA = 5.0

every_name = pytest.mark.parametrize("name", [*MODULES, *POLYNOMIALS])


def kind(name):
    return name.partition(":")[0]


def points(dtype=torch.float64):
    """(24,), none of them at a kink."""
    rng = torch.Generator().manual_seed(0)
    return (1.5 * torch.randn(24, generator=rng, dtype=torch.float64)).to(dtype)


def slopes(function, at):
    leaf = at.clone().requires_grad_()
    return torch.autograd.grad(function(leaf).sum(), leaf)[0]


def test_every_family_is_tested() -> None:
    families = {form.partition("[")[0].partition(":")[0] for form in KNOWN}
    assert families == {kind(name) for name in [*MODULES, *POLYNOMIALS]}
    assert families == {kind(name) for name in PLAIN_ACTIVATIONS}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_activation_itself_is_that_of_torch(name, dtype) -> None:
    at = torch.cat([points(dtype), torch.tensor([0.0, -60.0, 60.0], dtype=dtype)])
    assert torch.equal(activation(name).function(at, None), MODULES[name](at))


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_are_powers(name) -> None:
    expected = torch.stack([points()] * int(name[-1])).prod(0)
    torch.testing.assert_close(activation(name).function(points(), None), expected)


@every_name
def test_symmetric_ones_are_odd_or_even(name) -> None:
    found = activation(name)
    here, there = (found.function(x, None) for x in (points(), -points()))
    assert found.symmetric == (torch.allclose(here, there) or torch.allclose(here, -there))


@every_name
def test_any_shape(name) -> None:
    at = points().reshape(2, 3, 4)
    for beta in (None, BETA):
        function = activation(name).function
        assert torch.equal(function(at, beta), function(at.flatten(), beta).reshape(2, 3, 4))


# Stand-ins


@every_name
def test_stand_in_converges_with_its_first_derivative(name) -> None:
    function = activation(name).function
    exact, exact_slopes = function(points(), None), slopes(lambda x: function(x, None), points())
    gaps, slope_gaps = [], []
    for beta in (3.0, 30.0, 3e6):
        gaps.append(float((function(points(), beta) - exact).abs().max()))
        slope_gaps.append(
            float((slopes(lambda x, b=beta: function(x, b), points()) - exact_slopes).abs().max())
        )
    if kind(name) in KINKED:
        assert gaps[0] > 1e-2
        assert gaps[0] > gaps[1] > gaps[2]
        assert slope_gaps[0] > slope_gaps[1] > slope_gaps[2]
        assert max(gaps[2], slope_gaps[2]) < 1e-6
    else:
        assert gaps == slope_gaps == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", sorted(KINKED))
def test_sharpness_is_counted_in_units_of_the_argument(name) -> None:
    """The gap at the kink is that of softplus, log(2) / beta, times the jump of the slope."""
    function = activation(name).function
    zero = torch.zeros(1, dtype=torch.float64)
    right, left = (slopes(lambda x: function(x, None), zero + side) for side in (1e-9, -1e-9))
    gap = function(zero, 1e4) - function(zero, None)
    torch.testing.assert_close(gap, (right - left) * torch.log(zero + 2) / 1e4, rtol=1e-3, atol=1e-8)


@every_name
def test_derivatives_of_the_stand_in_against_finite_differences(name) -> None:
    at = points().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: activation(name).function(x, BETA), (at,))
    assert torch.autograd.gradgradcheck(lambda x: activation(name).function(x, BETA), (at,))


@every_name
@pytest.mark.parametrize("beta", [1e-3, 1.0, 1e4])
def test_stand_in_and_derivatives_are_finite_and_exact_far_out(name, beta) -> None:
    largest = 1e3 if kind(name) == "polynomial" else 1e6
    at = torch.tensor([-1.0, -0.01, 0.0, 0.01, 1.0]).mul(largest).requires_grad_()
    function = activation(name).function
    value = function(at, beta)
    (slope,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    curvature = torch.zeros_like(at)  # that of the identity has no graph
    if slope.requires_grad:
        (curvature,) = torch.autograd.grad(slope.sum(), at)
    assert value.isfinite().all()
    assert slope.isfinite().all()
    assert curvature.isfinite().all()
    # Only float32's last digits may differ where the stand-in has long reached the activation.
    far = (beta * at.abs() > 50).detach()
    torch.testing.assert_close(value[far], function(at, None)[far], rtol=1e-6, atol=1e-6)


# Degree


@every_name
@pytest.mark.parametrize("factor", [0.3, 2.0])
def test_degree_of_homogeneity(name, factor) -> None:
    found = activation(name)
    scaled = found.function(factor * points(), None)
    degrees = [float(k) for k in range(10)] if found.degree is None else [found.degree]
    same = [torch.allclose(scaled, factor**k * found.function(points(), None)) for k in degrees]
    assert same == [found.degree is not None] * len(degrees)


@every_name
def test_slopes_jump_at_some_kinks(name) -> None:
    """That of ELU does where alpha is not 1."""
    assert activation(name).smooth == (kind(name) not in KINKED or name == "elu")
    assert not activation("elu:0.5").smooth


def test_degrees() -> None:
    found = {name: activation(name).degree for name in [*MODULES, *POLYNOMIALS]}
    assert {name for name, degree in found.items() if degree == 1} == {
        "relu",
        "leaky_relu",
        "leaky_relu:0.2",
        "identity",
    }
    assert [found[name] for name in POLYNOMIALS] == [*range(2, 10)]


# Names


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("relu", "relu"),
        (" ReLU ", "relu"),
        ("leaky_relu", "leaky_relu:0.01"),
        ("LeakyReLU", "leaky_relu:0.01"),
        ("leakyrelu:.2", "leaky_relu:0.2"),
        ("leaky-relu: 2e-1", "leaky_relu:0.2"),
        ("ELU", "elu:1.0"),
        ("elu:0.5", "elu:0.5"),
        ("SELU", "selu"),
        ("GELU", "gelu"),
        ("gelu-tanh", "gelu_tanh"),
        ("gelu_new", "gelu_tanh"),
        ("gelu_pytorch_tanh", "gelu_tanh"),
        ("SiLU", "silu"),
        ("swish", "silu"),
        ("Softplus", "softplus:1.0"),
        ("soft plus:2", "softplus:2.0"),
        ("Tanh", "tanh"),
        ("logistic", "sigmoid"),
        ("x^3", "polynomial:3"),
        ("X**2", "polynomial:2"),
        ("poly:4", "polynomial:4"),
        ("polynomial:3.0", "polynomial:3"),
        ("Identity", "identity"),
        ("linear", "identity"),
        ("none", "identity"),
    ],
)
def test_names_and_aliases(name, canonical) -> None:
    assert activation(name).name == canonical
    assert activation(name) is activation(canonical)


@every_name
def test_a_canonical_name_is_its_own(name) -> None:
    assert activation(activation(name).name) is activation(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("rellu", "relu"),
        ("leeky_relu:0.2", "leaky_relu"),
        ("sigmod", "sigmoid"),
        ("PReLU", "relu"),
        ("hardtanh", "tanh"),
    ],
)
def test_unknown_names_show_the_known_and_the_nearest(name, nearest) -> None:
    with pytest.raises(ValueError, match="is unknown") as raised:
        activation(name)
    assert str(raised.value) == f'"{name}" is unknown (known: {", ".join(KNOWN)}; nearest: {nearest})'


@pytest.mark.parametrize("name", ["", ":", "1", "relu6", "relu^2", "-", "\u00b2"])
def test_any_other_word_is_unknown(name) -> None:
    with pytest.raises(ValueError, match="is unknown"):
        activation(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("polynomial", '"polynomial" has no degree, expected a whole number from 2 to 9, as in polynomial:3'),
        ("polynomial:1", 'has the degree "1", expected a whole number from 2 to 9'),
        ("polynomial:10", 'has the degree "10"'),
        ("polynomial:-3", 'has the degree "-3"'),
        ("x^2.5", '"x^2.5" has the degree "2.5"'),
        ("x^", 'has no degree'),
        ("leaky_relu:", '"leaky_relu:" has no slope, expected a positive number, as in leaky_relu:0.01'),
        ("leaky_relu:-0.1", 'has the slope "-0.1", expected a positive number'),
        ("elu:big", '"elu:big" has the alpha "big", expected a positive number, as in elu:1.0'),
        ("softplus:nan", 'has the beta "nan"'),
        ("softplus:inf", 'has the beta "inf"'),
        ("softplus:0", 'has the beta "0"'),
        ("relu:0.2", '"relu:0.2" has the parameter "0.2", relu takes none'),
        ("Swish:", '"Swish:" has the parameter "", silu takes none'),
    ],
)  # fmt: skip
def test_impossible_parameters_show_what_was_found_and_expected(name, message) -> None:
    with pytest.raises(ValueError, match="has") as raised:
        activation(name)
    assert message in str(raised.value)
