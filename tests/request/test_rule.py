"""The rule by which candidates are matched: the policy's, for these data, with the user's threshold."""

from pathlib import Path

import numpy as np
import pytest

from audit.dataset.samples import Samples
from audit.errors import PolicyError, UsageError
from audit.request.request import VerdictOptions
from audit.request.rule import read_policy, resolve_rule


def samples(values: np.ndarray, columns: tuple[str, ...] | None = None) -> Samples:
    ids = tuple(map(str, range(len(values))))
    return Samples(values.astype(np.float32), None, ids, "train.npz", "0" * 64, columns)


IMAGES = samples(np.zeros((2, 4, 4, 1)))
ROWS = samples(np.zeros((2, 3)), ("a", "b", "c"))


def resolve(members: Samples, **options: object):
    asked = VerdictOptions(**options)
    return resolve_rule(asked, read_policy(asked), members)


def test_for_images_the_policy_decides() -> None:
    policy, rule, notes = resolve(IMAGES)
    assert (rule.metric, rule.threshold, rule.fdr) == ("ssim", 0.4, 0.05)
    assert (policy.match, notes) == (rule, [])


def test_the_user_may_choose_another_threshold() -> None:
    policy, rule, _ = resolve(IMAGES, threshold=0.9)
    assert (rule.threshold, policy.match.threshold) == (0.9, 0.4)


def test_rows_are_matched_by_correlation() -> None:
    policy, rule, (note,) = resolve(ROWS)
    assert (rule.metric, rule.threshold, rule.fdr) == ("correlation", 0.8, 0.05)
    assert policy.match == rule
    assert "a correlation of 0.8 and more, in place of the policy's SSIM of 0.4" in note
    _, rule, (note,) = resolve(ROWS, threshold=0.7)
    assert rule.threshold == 0.7
    assert "a correlation of 0.7 and more" in note


def test_a_policy_for_rows_does_not_apply_to_images(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\nname: mine\nmatch: {metric: correlation, fdr: 0.1}\nlimits: []\n")
    _, rule, notes = resolve(ROWS, policy=str(file))
    assert (rule.threshold, rule.fdr, notes) == (0.8, 0.1, [])
    with pytest.raises(UsageError, match=r"which is for rows of a table: train\.npz holds images"):
        resolve(IMAGES, policy=str(file))


def test_an_unknown_policy() -> None:
    with pytest.raises(PolicyError, match="did you mean 'strict'"):
        read_policy(VerdictOptions(policy="stricct"))
