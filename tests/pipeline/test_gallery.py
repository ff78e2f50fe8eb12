"""Which pictures a report shows, beside which members and controls."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from audit.pipeline.entries import control_entries, sample_entries
from audit.pipeline.gallery import exhibits
from audit.pipeline.scores import score
from audit.scoring.similarity import rescale
from tests.pipeline.outcomes import Planted, planted, ran


def shown(data: Planted, controls: bool = True) -> Any:
    outcome = ran("kkt-margin", data.copies(2, 0))
    scores = score([outcome], data.truth, 0.4, 0.05, complete=True)
    report: Any = SimpleNamespace(
        samples=sample_entries(data.members, scores, data.truth),
        controls=control_entries(data.controls, scores.pooled),
    )
    inputs: Any = SimpleNamespace(
        data=SimpleNamespace(members=data.members, controls=data.controls if controls else None),
        truth=data.truth,
    )
    values = {"kkt-margin": data.truth.preprocessing.denormalise(outcome.reconstructions)}
    return exhibits(report, inputs, values), values["kkt-margin"]


def test_a_match_is_shown_beside_its_member_and_the_nearest_control() -> None:
    data = planted()
    items, values = shown(data)
    found = {item.sample: item for item in items}
    for member, row in ((0, 1), (2, 0)):
        np.testing.assert_allclose(found[member].reconstruction, rescale(values[row]))
        np.testing.assert_allclose(found[member].member, rescale(data.members.values[member]))
        control = int(found[member].control_id)
        np.testing.assert_allclose(found[member].control, rescale(data.controls.values[control]))
        alike = [np.corrcoef(values[row].ravel(), other.ravel())[0, 1] for other in data.controls.values]
        assert control == int(np.argmax(alike))


def test_without_controls_there_is_none_beside_it() -> None:
    items, _ = shown(planted(), controls=False)
    assert items
    assert {(item.control, item.control_id) for item in items} == {(None, None)}
