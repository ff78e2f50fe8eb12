"""What a report shows of the best matches: pictures, or rows of a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from audit.report.evidence import Evidence, gallery, room
from audit.report.schema import Report, Sample
from audit.request.check import Inputs
from audit.scoring.similarity import column_units, nearest, rescale
from audit.words import printable

_COLUMNS = 8
"""Of a table, shown of every match in the gallery."""


def exhibits(
    report: Report, inputs: Inputs, pixels: Mapping[str, NDArray[np.float32]], controls: NDArray[np.float32]
) -> list[Evidence]:
    """Put the best reconstructions beside the members they match and the controls they come nearest to.

    Parameters
    ----------
    report:
        Says which match which.
    inputs:
        Members and controls.
    pixels:
        By attack, reconstructions (M, h, w, c) in pixels, or (M, d) in units of a table.
    controls:
        (k, d) in network units.
    """
    chosen = gallery(report.samples, room(inputs.data.members.values.shape[1:]))
    if not chosen:
        return []
    images = [_reconstruction(report.samples[index], pixels) for index in chosen]
    if inputs.truth.preprocessing.is_table:
        pairs = zip(chosen, images, strict=True)
        return [_row_evidence(index, row, inputs, report) for index, row in pairs]
    held_out = inputs.data.controls
    closest = nearest(inputs.truth.preprocessing.normalise(np.stack(images)), controls)
    items = []
    for index, image, control in zip(chosen, images, closest.tolist(), strict=True):
        found = held_out is not None and control >= 0
        items.append(
            Evidence(
                sample=index,
                reconstruction=rescale(image),
                member=rescale(inputs.data.members.values[index]),
                control=rescale(held_out.values[control]) if held_out and found else None,
                control_id=report.controls[control].id if found else None,
            )
        )
    return items


def _row_evidence(index: int, row: NDArray[np.float32], inputs: Inputs, report: Report) -> Evidence:
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


def _reconstruction(sample: Sample, pixels: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    assert sample.attack is not None
    assert sample.candidate is not None
    image: NDArray[np.float32] = pixels[sample.attack][sample.candidate]
    return image
