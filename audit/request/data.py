"""Members and controls: read, checked against the network and each other, and brought to normalised inputs once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from audit.dataset.checks import (
    check_columns_agree,
    check_fits,
    check_informative,
    check_labels,
)
from audit.dataset.load import load_samples
from audit.dataset.samples import Samples
from audit.dataset.specs import default_controls
from audit.dataset.truth import Truth
from audit.errors import UsageError
from audit.model.architecture import Architecture, check_input
from audit.model.modality import IMAGES, ROWS, Layout
from audit.model.preprocessing import Preprocessing, parse_preprocessing, parse_shape, with_usual_range
from audit.request.overlap import set_apart, without_copies
from audit.request.request import SampleOptions
from audit.scoring.comparison import comparison
from audit.scoring.similarity import constant_columns

_NAMED = 5
"""Columns that a note names."""


@dataclass(frozen=True, eq=False)
class Data:
    """Samples as they were read, with their names and in their own units."""

    members: Samples
    """The training data."""
    controls: Samples | None
    """Held-out samples that the model never saw (non-members)."""

    @property
    def all(self) -> list[Samples]:
        """Both."""
        return [self.members] if self.controls is None else [self.members, self.controls]


def read_data(asked: SampleOptions, architecture: Architecture) -> tuple[Data, Truth, list[str]]:
    """Read members and controls.

    Returns
    -------
    tuple[Data, Truth, list[str]]
        As they were read, as normalised inputs, and what a reader should know of both.

    Raises
    ------
    AuditError
        When they cannot be read, do not fit the network or each other, or cannot be compared.
    """
    data = _read(asked, architecture)
    stated = parse_shape(asked.input_shape) if asked.input_shape else None
    layout = _layout(asked, architecture)
    preprocessing = parse_preprocessing(stated or data.members.shape, asked.mean, asked.std, layout)
    check_input(architecture, preprocessing)
    for samples in data.all:
        check_fits(samples, preprocessing)
        check_labels(samples, architecture.outputs)
    check_comparable(data)
    check_informative(data.members)
    data, on_copies = _distinct(data, chosen=asked.controls is not None)
    preprocessing, notes = _PREPARE[data.members.modality](asked, data, preprocessing)
    return data, Truth.of(data.members, data.controls, preprocessing), [*notes, *on_copies]


def check_comparable(data: Data) -> None:
    """Check that similarities can be computed: images large enough, rows with enough columns that differ.

    Raises
    ------
    DataError
        When they cannot.
    """
    check = comparison(data.members.modality).check
    check([samples.values for samples in data.all], " and ".join(samples.source for samples in data.all))


def _layout(asked: SampleOptions, architecture: Architecture) -> Layout:
    return cast("Layout", asked.layout) or architecture.layout or "chw"


def _read(asked: SampleOptions, architecture: Architecture) -> Data:
    if asked.data is None:
        raise UsageError("no --data", "pass the training data")
    stated = parse_shape(asked.input_shape) if asked.input_shape else None
    layout = _layout(asked, architecture)

    def load(spec: str) -> Samples:
        return load_samples(
            spec, data_root=asked.data_root, shape=stated, download=asked.download, layout=layout
        )

    members = load(asked.data)
    if asked.layout is not None and members.modality is ROWS:
        raise UsageError(
            f"--layout is for images, and {members.source} is a table",
            "leave it out, or pass --input-shape C,H,W if the rows are flattened images",
        )
    controls = asked.controls or default_controls(asked.data)
    return Data(members, None if controls is None else load(controls))


def _distinct(data: Data, *, chosen: bool) -> tuple[Data, list[str]]:
    """Leave out copies, and controls that are members; `chosen` says whether the user named the controls."""
    members, notes = without_copies(data.members, "members")
    if data.controls is None:
        return Data(members, None), notes
    check_columns_agree(members, data.controls)
    controls, on_controls = without_copies(data.controls, "controls")
    controls, on_overlap = set_apart(members, controls, chosen=chosen)
    return Data(members, controls), [*notes, *on_controls, *on_overlap]


def _prepare_images(
    asked: SampleOptions, data: Data, preprocessing: Preprocessing
) -> tuple[Preprocessing, list[str]]:
    if asked.mean is None and asked.std is None:
        return preprocessing, [
            "normalisation not stated: inputs taken as pixels in [0, 1]; pass --mean and --std if not"
        ]
    return preprocessing, []


def _prepare_rows(
    asked: SampleOptions, data: Data, preprocessing: Preprocessing
) -> tuple[Preprocessing, list[str]]:
    """Add the usual range of the columns, which attackers are taken to know."""
    if asked.mean is None and asked.std is None:
        raise UsageError(
            f"{data.members.source} is a table, and its normalisation is not stated: with a wrong one nothing is "
            f"found",
            "pass --mean and --std as in training, or --mean 0 --std 1 if the model takes the columns as they are",
        )
    controls = None if data.controls is None else data.controls.values
    of = "--mean and --std" if controls is None else "the controls"
    known = f"two standard deviations about the mean, by {of}"
    notes = [f"attackers are taken to know where each column usually lies: {known}"]
    constant = constant_columns([samples.values for samples in data.all])
    if constant.any():
        names = [name for name, same in zip(data.members.columns or (), constant, strict=True) if same]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        listing = f"{', '.join(names[:_NAMED])}{more}"
        notes.append(f"columns that are the same in all rows are left out of the comparison: {listing}")
    return with_usual_range(preprocessing, controls), notes


_PREPARE = {IMAGES: _prepare_images, ROWS: _prepare_rows}
