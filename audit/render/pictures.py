"""Pictures within a page: small, and together within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from audit.report.evidence import Evidence, gallery, shown
from audit.report.outcomes import Sample
from audit.report.schema import Report

BUDGET = 4_000_000
"""Characters that the pictures of a gallery may take, so that a page of 500 members stays below 5 MB."""
_SIDE = 96
"""Pixels along the longer side, at most."""
_BITS = (8, 5, 4)
"""Per channel; the most of them with which even noise would fit."""
_OVERHEAD = 1.2
"""What a PNG of noise takes, beyond its bits."""


@dataclass(frozen=True)
class Picture:
    """One of the pictures of a card."""

    caption: str
    """What it is."""
    alt: str
    """The same, with names, for those who do not see it."""
    source: str | None
    """Data URI; None where it is withheld."""


@dataclass(frozen=True)
class Card:
    """A match of the gallery."""

    index: int
    """Into `Report.samples`."""
    sample: Sample
    """The member and its numbers."""
    pictures: list[Picture]
    """Reconstruction, training image and, with controls, the nearest of them."""


@dataclass(frozen=True)
class Gallery:
    """Matches with their pictures, best first."""

    cards: list[Card]
    """As many as there is room for."""
    remarks: list[str]
    """How their pictures differ from the images themselves."""


def cards(report: Report, evidence: Sequence[Evidence]) -> Gallery:
    """Put pictures to matches, best first, until the budget is spent.

    A redacted report shows silhouettes instead, and of a table, which has no pictures, nothing.
    """
    if report.provenance.redacted and report.modality == "image":
        return Gallery([_withheld(report, index) for index in gallery(report.samples)], [])
    items = shown(report, evidence)
    if not items or items[0].columns:
        return Gallery([], [])
    height, width = items[0].reconstruction.shape[:2]
    room = _OVERHEAD * 4 / 3 * 3 * len(items) * _thumbnail(items[0].reconstruction, 8).size
    bits = next((bits for bits in _BITS if room * bits / 8 <= BUDGET), _BITS[-1])
    found: list[Card] = []
    spent = 0
    for item in items:
        card = _card(report, item, bits)
        spent += sum(len(picture.source or "") for picture in card.pictures)
        if spent > BUDGET:
            break
        found.append(card)
    remarks = []
    if max(height, width) > _SIDE:
        remarks.append(f"Images of {width} x {height} pixels are scaled down to {_SIDE} at most.")
    if bits < 8:
        remarks.append(f"Brightness is rounded to {2**bits} levels per channel, for a smaller file.")
    return Gallery(found, remarks)


def png(image: NDArray[np.floating], bits: int = 8) -> str:
    """Encode an image (h, w, c) in [0, 1] as a data URI: in colour from three channels on, else grey.

    Parameters
    ----------
    image:
        Longer sides than 96 pixels are scaled down.
    bits:
        Kept of every channel's 8.
    """
    buffer = io.BytesIO()
    Image.fromarray(_thumbnail(image, bits)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _thumbnail(image: NDArray[np.floating], bits: int) -> NDArray[np.uint8]:
    pixels = np.round(255 * np.clip(np.nan_to_num(image), 0.0, 1.0)).astype(np.uint8)
    picture = Image.fromarray(pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0])
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    # Whole multiples, so that differences between neighbours, which PNG stores, are no more numerous than values.
    step = 2 ** (8 - bits)
    nearest = np.round(np.asarray(picture) / step) * step
    rounded: NDArray[np.uint8] = nearest.clip(max=255 // step * step).astype(np.uint8)
    return rounded


def _card(report: Report, item: Evidence, bits: int) -> Card:
    sample = report.samples[item.sample]
    pictures = [
        Picture("reconstruction", f"Reconstruction matched with {sample.id}", png(item.reconstruction, bits)),
        Picture("training image", f"Training image {sample.id}", png(item.member, bits)),
    ]
    if item.control is not None:
        name = item.control_id
        pictures.append(Picture(f"nearest control {name}", f"Control {name}", png(item.control, bits)))
    return Card(item.sample, sample, pictures)


def _withheld(report: Report, index: int) -> Card:
    kinds = ["reconstruction", "training image", *(["nearest control"] if report.summary.controls else [])]
    pictures = [Picture(kind, f"{kind.capitalize()} withheld", None) for kind in kinds]
    return Card(index, report.samples[index], pictures)
