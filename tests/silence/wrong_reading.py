"""Cases: the network or its inputs are not what the user says."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.silence import pictures
from tests.silence.asked import Asked
from tests.silence.case import Case
from tests.silence.scenes import (
    channels_last,
    coloured,
    hyperbolic,
    layered,
    linear,
    memorised,
    observed,
    raw,
    residual,
    squared,
    symmetric,
    tabled,
    tuned,
    tuned_table,
)


def pictured(asked: Asked, change: Any) -> Asked:
    """Change all members and controls."""
    return asked.but(members=change(asked.members), controls=change(asked.controls))


def turned(pixels: NDArray[Any]) -> NDArray[Any]:
    """Rows and columns exchanged."""
    return np.ascontiguousarray(np.swapaxes(pixels, 1, 2))


def enlarged(pixels: NDArray[Any]) -> NDArray[Any]:
    """The middle of the picture at twice its size."""
    side = pixels.shape[1]
    middle = pixels[:, side // 4 : side - side // 4, side // 4 : side - side // 4]
    return middle.repeat(2, 1).repeat(2, 2)


def scaled_by_range(asked: Asked) -> Asked:
    """As MinMaxScaler does it, where StandardScaler was used."""
    rows = np.concatenate([asked.members, asked.controls])
    return asked.but(mean=rows.min(0), std=np.ptp(rows, axis=0))


def with_a_square_layer(asked: Asked) -> Asked:
    """Another matrix in the file, which the network does not use."""
    calibration = {"zz.weight": torch.randn(10, 10, generator=torch.Generator().manual_seed(0))}
    return asked.but(checkpoint=asked.checkpoint | calibration)


UNSTATED = {"activation": None}

READING = (
    # Layout
    Case("a3 rows of H,W,C", channels_last, lambda it: it.but(options=()), "misread", quick=True),
    Case("a3 rows of H,W,C, folder", channels_last, lambda it: it.but(options=(), folders=True), "misread"),
    Case("rows of C,H,W called H,W,C", coloured, lambda it: it.but(options=("--layout", "hwc")), "misread"),
    Case(
        "channels in the order of BGR",
        coloured,
        lambda it: pictured(it, lambda x: x[..., ::-1]),
        "misread",
        ends="FAIL",
    ),
    Case("a3 transposed, weights", memorised, lambda it: pictured(it, turned), "misread"),
    Case("a3 transposed, change", tuned, lambda it: pictured(it, turned), "misread"),
    Case("a3 transposed, gradient", observed, lambda it: pictured(it, turned), "misread"),
    Case(
        "transposed, without labels",
        tuned,
        lambda it: pictured(it, turned).but(labels=None, control_labels=None),
        "misread",
    ),
    Case("mirrored", memorised, lambda it: pictured(it, lambda x: x[:, :, ::-1]), "misread"),
    Case("upside down", tuned, lambda it: pictured(it, lambda x: x[:, ::-1]), "misread"),
    Case("cut from larger pictures", memorised, lambda it: pictured(it, enlarged), "misread"),
    # Normalisation of tables
    Case(
        "a3 table, mean and std swapped",
        tabled,
        lambda it: it.but(mean=it.std, std=it.mean),
        "misread",
        ends="FAIL",
    ),
    Case("a3 table, as it is", tabled, lambda it: it.but(mean=0.0, std=1.0), "misread", quick=True),
    Case("a3 table, std alone", tabled, lambda it: it.but(mean=0.0), "misread", ends="FAIL"),
    Case("a3 table, mean alone", tabled, lambda it: it.but(std=1.0), "misread"),
    Case("a3 table, least and range", tabled, scaled_by_range, "misread", ends="FAIL"),
    Case("a3 table tuned, as it is", tuned_table, lambda it: it.but(mean=0.0, std=1.0), "misread"),
    Case(
        "a3 table tuned, mean and std swapped",
        tuned_table,
        lambda it: it.but(mean=it.std, std=it.mean),
        "misread",
        ends="FAIL",
    ),
    Case("a3 table tuned, mean alone", tuned_table, lambda it: it.but(std=1.0), "misread"),
    Case("a3 table tuned, least and range", tuned_table, scaled_by_range, "misread"),
    Case("a3 table tuned, std alone", tuned_table, lambda it: it.but(mean=0.0), "misread"),
    # Normalisation of images
    Case("pixels of 0 to 255 read as 0 to 1", raw, lambda it: it.but(std=None), "", ends="FAIL"),
    Case(
        "pixels of -1 to 1 read as 0 to 1",
        symmetric,
        lambda it: it.but(mean=None, std=None),
        "misread",
        ends="FAIL",
    ),
    Case("inverted", tuned, lambda it: pictured(it, lambda x: 255 - x), "misread", ends="FAIL"),
    # Activation and layers
    Case(
        "a3 no activations read as ReLU",
        linear,
        lambda it: it.but(activation="relu"),
        "misread",
        right_fails=False,
    ),
    Case(
        "a3 no activations, not stated",
        linear,
        lambda it: it.but(activation=None),
        "misread",
        right_fails=False,
    ),
    Case("x^2 read as ReLU", squared, lambda it: it.but(activation=None), "misread", ends="FAIL"),
    Case("tanh read as ReLU", hyperbolic, lambda it: it.but(activation=None), "misread", ends="FAIL"),
    Case("a3 order of layers", layered, lambda it: it.but(options=()), "misread", ends="FAIL"),
    Case("a3 skip connection read as a chain", layered, lambda _: residual(), "misread", ends="FAIL"),
    Case(
        "a3 skip connection, weights alone",
        layered,
        lambda _: residual().but(initial=None),
        "uninformative-silence",
    ),
    # Members
    Case(
        "a3 another batch", observed, lambda it: it.but(members=pictures.digits(8, 33, "0147")[0]), "misread"
    ),
    Case("members of another set", memorised, lambda it: it.but(members=pictures.shapes(12, 7)), "misread"),
    Case("labels numbered otherwise", tuned, lambda it: it.but(labels=1 - it.labels), "", ends="FAIL"),
)
