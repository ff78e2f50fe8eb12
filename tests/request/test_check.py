"""What is read and checked before an audit begins."""

from pathlib import Path

import numpy as np
import pytest

from audit.errors import AuditError, DataError
from audit.request.check import check, check_weights
from audit.request.request import Request
from tests.tiny import Tiny


def request(tiny: Tiny) -> Request:
    return Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean)


def test_members_and_controls_become_normalised_inputs(tiny: Tiny) -> None:
    inputs = check(request(tiny))
    truth = inputs.truth
    images = np.load(tiny.members)["images"]
    expected = images.reshape(len(images), -1) / 255 - np.load(tiny.mean).ravel()
    np.testing.assert_allclose(truth.members, expected, rtol=1e-5, atol=1e-6)
    assert len(truth.controls) == len(np.load(tiny.controls)["images"])
    np.testing.assert_array_equal(truth.labels, np.load(tiny.members)["labels"])
    assert check(request(tiny).but(controls=None)).truth.controls.shape == (0, truth.members.shape[1])


def test_the_threshold_of_the_user_takes_precedence_over_the_policy(tiny: Tiny) -> None:
    stated = check(request(tiny))
    assert stated.rule == stated.policy.match
    chosen = check(request(tiny).but(threshold=0.9))
    assert (chosen.rule.threshold, chosen.policy.match.threshold) == (0.9, 0.4)
    assert chosen.rule.fdr == stated.rule.fdr


def test_images_too_small_to_be_compared_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    flat = tmp_path / "flat.npz"
    values = np.load(tiny.members)["images"]
    np.savez(flat, images=values.reshape(len(values), 1, -1))
    asked = request(tiny).but(data=str(flat), controls=None, mean=None)
    with pytest.raises(DataError, match="SSIM needs at least"):
        check(asked)


@pytest.mark.parametrize(
    ("option", "value"), [("controls", "controls.npz"), ("mean", "0"), ("std", "1"), ("input_shape", "1,2,2")]
)
def test_samples_are_not_described_where_none_are_given(tiny: Tiny, option: str, value: str) -> None:
    with pytest.raises(AuditError, match=f"--{option.replace('_', '-')} without --data"):
        check_weights(Request.of(tiny.checkpoint).but(**{option: value}))
