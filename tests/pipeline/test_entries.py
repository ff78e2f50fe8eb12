"""The entries of a report on samples, made from planted scores."""

import numpy as np
import pytest

from audit.dataset.truth import Truth
from audit.model.preprocessing import parse_preprocessing, with_usual_range
from audit.pipeline.entries import control_entries, sample_entries, source_entry
from audit.pipeline.scores import score
from tests.pipeline.outcomes import CONTROLS, MEMBERS, planted, ran, samples


def test_a_member_points_at_the_candidate_that_matches_it() -> None:
    data = planted()
    outcomes = [ran("kkt-loss", data.copies(3)), ran("kkt-margin", data.copies(4, 0))]
    entries = sample_entries(data.members, score(outcomes, data.truth, 0.4, 0.05, complete=True), data.truth)
    assert [entry.id for entry in entries] == ["0", "1", "2", "3", "4"]
    assert [entry.label for entry in entries] == [0, 1, 2, 3, 4]
    found = {entry.id: (entry.attack, entry.candidate) for entry in entries if entry.confirmed}
    assert found == {"0": ("kkt-margin", 1), "3": ("kkt-loss", 0), "4": ("kkt-margin", 0)}
    for entry in entries:
        assert entry.recovered == entry.confirmed == (entry.similarity > 0.9)
        assert entry.p_value == pytest.approx(1 / (CONTROLS + 1)) if entry.confirmed else entry.p_value
        assert entry.relative_error is None


def test_without_an_attack_a_member_points_nowhere() -> None:
    data = planted(labelled=False)
    entries = sample_entries(data.members, score([], data.truth, 0.4, 0.05, complete=True), data.truth)
    assert {(entry.attack, entry.candidate, entry.label) for entry in entries} == {(None, None, None)}


def test_rows_of_a_table_have_a_relative_error() -> None:
    values = np.random.default_rng(0).normal(size=(MEMBERS + CONTROLS, 40)).astype(np.float32)
    members, controls = (samples(part, "table.csv", None) for part in (values[:MEMBERS], values[MEMBERS:]))
    preprocessing = with_usual_range(parse_preprocessing((40,), "0", "1"), controls.values)
    truth = Truth.of(members, controls, preprocessing)
    scores = score([ran("kkt-margin", truth.members[:1])], truth, 0.8, 0.05, complete=True)
    first, *others = sample_entries(members, scores, truth)
    assert first.relative_error == pytest.approx(0.0, abs=1e-4)
    assert first.similarity == first.ncc == pytest.approx(1.0)
    assert {entry.relative_error for entry in others} == {None}


def test_controls_are_named_with_their_best_match() -> None:
    data = planted()
    scores = score([ran("kkt-margin", data.copies(0))], data.truth, 0.4, 0.05, complete=True)
    entries = control_entries(data.controls, scores.pooled)
    assert [entry.id for entry in entries] == list(data.controls.ids)
    assert max(entry.similarity for entry in entries) < 0.9
    assert control_entries(None, scores.pooled) == []


def test_a_name_that_no_file_can_hold_is_replaced() -> None:
    entry = source_entry(samples(np.zeros((2, 8, 8, 1), np.float32), "a\udcff.npz", None))
    assert (entry.source, entry.count) == ("a?.npz", 2)
