"""What confirms a member: its part of the rate of false discoveries, and a candidate of its own."""

import numpy as np
import pytest

from audit.scoring.confirmation import Confirmed, Ranks
from audit.scoring.shares import APART, TAIL, TOGETHER
from audit.scoring.votes import NOTHING, Choice


def ranks(members, controls, candidates=None, share=1.0) -> Ranks:
    scores = np.array([*controls, *members], dtype=float)
    chosen = np.arange(len(scores)) if candidates is None else np.array([-1] * len(controls) + candidates)
    return Ranks(Choice(scores, chosen), scores[len(controls) :], scores[: len(controls)], share)


def test_the_shares_are_those_of_one_whole() -> None:
    assert pytest.approx(1.0) == TOGETHER + APART + TAIL


def test_ranks_confirm_by_their_share() -> None:
    controls = np.linspace(0, 0.5, 39)
    assert ranks([0.9, 0.8], controls).confirmed(0.05).tolist() == [True, True]
    assert ranks([0.9, 0.8], controls, share=0.4).confirmed(0.05).tolist() == [False, False]


def test_members_ahead_of_every_control() -> None:
    assert ranks([0.9, 0.4, 0.2], [0.4, 0.1]).ahead.tolist() == [True, False, False]
    assert ranks([0.9, NOTHING], [NOTHING]).ahead.tolist() == [True, False]
    assert ranks([0.9], []).ahead.tolist() == [False]


def test_a_candidate_confirms_one_member_and_a_member_keeps_its_first_evidence() -> None:
    found = Confirmed.nobody(4)
    found.add("rank", np.array([True, False, False, False]), ranks([0.9, 0.7, 0.6, 0.5], [], [5, 6, 7, 8]))
    found.add("tail", np.array([True, True, False, False]), ranks([0.8, 0.6, 0.6, 0.5], [], [9, 5, 7, 8]))
    found.add_copies(np.array([3, -1, 4, 4]))
    assert found.evidence == ["rank", None, "exact", None]
    assert found.candidate.tolist() == [5, -1, 4, -1]
    assert found.mask.tolist() == [True, False, True, False]
    assert found.cut_off == NOTHING


def test_the_cut_off_is_the_first_control_that_would_have_to_be_passed_over_in_vain() -> None:
    controls = [0.1, 0.5, 0.85, 0.3]
    found = Confirmed.nobody(3)
    found.add("rank", np.array([True, True, False]), ranks([0.9, 0.7, 0.2], controls, [5, 6, 7]))
    assert found.cut_off == 0.5
    tail = Confirmed.nobody(3)
    tail.add("tail", np.array([True, False, False]), ranks([0.9, 0.7, 0.2], controls, [5, 6, 7]))
    assert tail.cut_off == pytest.approx(0.9, abs=1e-5)
    assert tail.cut_off < 0.9
