"""What a report shows of the best matches: pictures, or rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.model.modality import IMAGES, ROWS
from audit.report.evidence import Evidence, gallery, room
from audit.report.outcomes import Sample
from audit.report.schema import Report
from audit.request.check import Inputs
from audit.scoring.similarity import column_units, nearest, rescale
from audit.words import printable

Values = NDArray[np.float32]

_COLUMNS = 8
"""Of a table, shown of every match in the gallery."""


def exhibits(report: Report, inputs: Inputs, values: Mapping[str, Values]) -> list[Evidence]:
    """Put the best reconstructions beside the members they match and the controls they come nearest to.

    Parameters
    ----------
    report:
        Says which match which.
    inputs:
        Members and controls.
    values:
        By attack, reconstructions in the units of the data: (M, h, w, c) or (M, d).
    """
    chosen = gallery(report.samples, room(inputs.data.members.values.shape[1:]))
    if not chosen:
        return []
    found = [_reconstruction(report.samples[index], values) for index in chosen]
    return _SHOWN[inputs.truth.preprocessing.modality](chosen, found, inputs, report)


def _pictures(
    chosen: Sequence[int], found: Sequence[Values], inputs: Inputs, report: Report
) -> list[Evidence]:
    members, held_out, truth = inputs.data.members, inputs.data.controls, inputs.truth
    closest = nearest(truth.preprocessing.normalise(np.stack(found)), truth.controls)
    items = []
    for index, image, control in zip(chosen, found, closest.tolist(), strict=True):
        near = held_out is not None and control >= 0
        items.append(
            Evidence(
                sample=index,
                reconstruction=rescale(image),
                member=rescale(members.values[index]),
                control=rescale(held_out.values[control]) if held_out and near else None,
                control_id=report.controls[control].id if near else None,
            )
        )
    return items


def _rows(chosen: Sequence[int], found: Sequence[Values], inputs: Inputs, report: Report) -> list[Evidence]:
    return [_row_evidence(index, row, inputs, report) for index, row in zip(chosen, found, strict=True)]


_SHOWN = {IMAGES: _pictures, ROWS: _rows}


def _row_evidence(index: int, row: Values, inputs: Inputs, report: Report) -> Evidence:
    """The columns in which a member differs most from the mean, in units of the table."""
    members, controls = inputs.data.members.values, inputs.data.controls
    others = members[:0] if controls is None else controls.values
    candidate, truth, scaled = column_units(row[None], members, others)
    columns = np.argsort(-np.abs(truth[index]), kind="stable")[:_COLUMNS]
    closest = int(nearest(candidate, scaled)[0])
    found = controls is not None and closest >= 0
    return Evidence(
        sample=index,
        reconstruction=row[columns],
        member=members[index, columns],
        control=others[closest, columns] if found else None,
        control_id=report.controls[closest].id if found else None,
        columns=tuple(printable((inputs.data.members.columns or ())[place]) for place in columns),
    )


def _reconstruction(sample: Sample, values: Mapping[str, Values]) -> Values:
    assert sample.attack is not None
    assert sample.candidate is not None
    found: Values = values[sample.attack][sample.candidate]
    return found
