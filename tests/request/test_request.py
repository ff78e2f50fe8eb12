"""Requests from options by their names, and what the options say of themselves."""

from pathlib import Path

import pytest

from audit.errors import UsageError
from audit.request.option import Field
from audit.request.request import GROUPS, Request, options


def test_options_are_given_by_their_names_and_kept_in_groups() -> None:
    request = Request.of("model.pt", data="train.npz", seed=3, redact=True, policy="strict")
    assert request.model.checkpoint == Path("model.pt")
    assert (request.samples.data, request.attack.seed) == ("train.npz", 3)
    assert (request.output.redact, request.verdict.policy) == (True, "strict")
    other = request.but(seed=4, controls="test.npz")
    assert (other.attack.seed, other.samples.controls, other.samples.data) == (4, "test.npz", "train.npz")
    assert request.attack.seed == 3


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("budget", "2m", 120.0),
        ("budget", 7, 7),
        ("initial", "before.pt", Path("before.pt")),
        ("mean", 0.5, "0.5"),
        ("mean", [0.5, 0.25], "0.5,0.25"),
        ("mean", Path("mean.npy"), "mean.npy"),
        ("input_shape", (1, 28, 28), "1,28,28"),
        ("attacks", "kkt-margin, kkt-loss", ("kkt-margin", "kkt-loss")),
        ("attacks", ["kkt-margin", "kkt-loss"], ("kkt-margin", "kkt-loss")),
        ("attacks", "", ()),
        ("threshold", None, None),
    ],
)
def test_values_may_be_written_in_several_ways(name: str, written: object, read: object) -> None:
    request = Request.of("model.pt", **{name: written})
    values = [getattr(getattr(request, group), name, None) for group in GROUPS]
    assert read in values


def test_an_unknown_option_is_named_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match="no option 'thresold'; did you mean 'threshold'"):
        Request.of("model.pt", thresold=0.4)
    with pytest.raises(UsageError, match="--budget is 'soon'"):
        Request.of("model.pt", budget="soon")


def test_names_of_options_are_unique() -> None:
    names = [one.name for one in options()]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("field", options(), ids=lambda field: field.name)
def test_help_is_a_sentence_that_stands_alone(field: Field) -> None:
    text = field.option.help
    assert text[0].isupper()
    assert text.endswith(".")
    assert len(text.split()) > 2
    assert text.count("`") % 2 == 0
    assert bool(field.option.metavar) == (field.type is not bool)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_generator_takes_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=f"--seed is {seed}"):
        Request.of("model.pt", seed=seed)
