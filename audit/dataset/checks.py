"""Whether members and controls suit the network, and each other."""

from __future__ import annotations

import numpy as np

from audit.dataset.samples import Samples, times
from audit.errors import DataError
from audit.model.modality import IMAGES
from audit.model.preprocessing import Preprocessing


def check_labels(samples: Samples, outputs: int) -> None:
    """Check that labels suit a network: 0 and 1 for one output, 0 to k - 1 for k. No labels suit all.

    Real numbers suit one output, which is then one of regression.

    Raises
    ------
    DataError
        Naming the first image whose label is out of range.
    """
    if samples.targets is not None and outputs > 1:
        row = int(np.flatnonzero(samples.targets != np.round(samples.targets))[0])
        raise DataError(
            f"{samples.source}: {samples.modality.name} {samples.ids[row]} has the label {samples.targets[row]:g}, "
            f"but a network with {outputs} outputs takes class indices",
            "store class indices: labels.astype('int64')",
        )
    if samples.labels is None:
        return
    last = max(outputs, 2) - 1
    wrong = np.flatnonzero(samples.labels > last)
    if len(wrong):
        noun = samples.modality.name
        raise DataError(
            f"{samples.source}: {noun} {samples.ids[wrong[0]]} has label {samples.labels[wrong[0]]}, "
            f"but a network with {outputs} output{'s' if outputs > 1 else ''} takes labels 0 to {last}",
            f"relabel the {noun}s as the model was trained, or audit the model they belong to",
        )


def check_fits(samples: Samples, preprocessing: Preprocessing) -> None:
    """Check that images have the network's size and channels.

    Raises
    ------
    DataError
        Showing both shapes.
    """
    if samples.shape == preprocessing.shape:
        return
    if (len(samples.shape), len(preprocessing.shape)) == (1, 3):
        remedy = "pass --input-shape C,H,W if the rows are flattened images"
    elif len(preprocessing.shape) == 1:
        remedy = "give members and controls in the same form, with the same columns"
    elif samples.values.shape[1:] == preprocessing.shape:
        remedy = "move the channels last: images.transpose(0, 2, 3, 1)"
    else:
        remedy = "resize the images as for training, or correct --input-shape"
    problem = (
        f"{samples.source}: {_size(samples.shape)}, but the network takes {_expect(preprocessing.shape)}"
    )
    raise DataError(problem, remedy)


def check_columns_agree(members: Samples, controls: Samples) -> None:
    """Check that rows of two tables have the same columns, by name.

    Raises
    ------
    DataError
        Naming the first that differs.
    """
    for place, (ours, theirs) in enumerate(zip(members.columns or (), controls.columns or (), strict=False)):
        if ours != theirs:
            raise DataError(
                f"column {place} is {ours!r} in {members.source}, {theirs!r} in {controls.source}",
                "give both the same columns in the same order",
            )


def check_informative(samples: Samples) -> None:
    """Check that samples differ, and that images show something: else there is nothing to recognise.

    Raises
    ------
    DataError
        When all are the same sample, or every image has one colour throughout.
    """
    noun, values = samples.modality.name, samples.values
    if len(samples) > 1 and (values == values[0]).all():
        raise DataError(
            f"all {len(samples)} {noun}s of {samples.source} are the same",
            f"give {noun}s that differ, as the model was trained on",
        )
    if samples.modality is IMAGES and not np.ptp(values, axis=(1, 2)).any():
        raise DataError(
            f"every image of {samples.source} has one colour throughout: there is nothing to recognise",
            "give images that show something, as the model was trained on",
        )


def _size(shape: tuple[int, ...]) -> str:
    if len(shape) == 3:
        return f"images are {times(shape)} (channels x height x width)"
    return f"rows have {shape[0]} columns"


def _expect(shape: tuple[int, ...]) -> str:
    return times(shape) if len(shape) == 3 else f"rows of {shape[0]} columns"
