"""What kind of sample a network is given, and what of its parameters an attacker holds: the kinds of reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Measure = Literal["ssim", "correlation"]
"""Identifiers of the measures of similarity, in policies and reports."""

Source = Literal["weights", "change", "gradient"]
"""What an attack reconstructs from: the weights, their change in training, or the gradient of one batch."""


Layout = Literal["chw", "hwc"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""How images are flattened: channel by channel, as by PyTorch, or pixel by pixel, as by NumPy and Keras."""


@dataclass(frozen=True)
class Modality:
    """One kind of sample."""

    name: Literal["image", "row"]
    """What one sample is called, in reports and in sentences."""
    metric: Measure
    """Identifier of the measure of similarity."""
    similarity: str
    """Name of that measure in sentences."""
    threshold: float
    """Similarity from which a match counts as recovered, unless a policy or the user sets another."""
    convention: str
    """How the similarity is computed, as the report states it."""


IMAGES = Modality(
    name="image",
    metric="ssim",
    similarity="SSIM",
    threshold=0.4,
    convention=(
        "normalisation undone; each image rescaled to [0, 1] by its own minimum and maximum; "
        "SSIM of scikit-image with data_range = 1 and a 7x7 uniform window"
    ),
)
"""Pictures. Threshold and convention are those of Haim et al. 2022 (arXiv 2206.07758) and of Buzaglo et al. 2023
(arXiv 2307.01827)."""

ROWS = Modality(
    name="row",
    metric="correlation",
    similarity="correlation",
    threshold=0.8,
    convention=(
        "SSIM is not applicable to rows of a table; every column in standard deviations about its mean, both over "
        "members and controls; correlation of two rows over their columns, each row less its own mean"
    ),
)
"""Rows of a table. More than half of what is confirmed above 0.8 lies below 0.9. By chance, up to 3 % of controls
reach 0.8 with 30 columns, and more than half with 8 correlated columns."""

MODALITIES: dict[Measure, Modality] = {modality.metric: modality for modality in (IMAGES, ROWS)}
"""Both, by the identifier of their measure."""
