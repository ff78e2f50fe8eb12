"""The network as it was read: what a report says of how well it knows the samples, and of what was assumed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from audit.report.base import Count, Fraction, Measured, Part

Assumed = Literal["activation", "normalisation", "layout", "order", "chain"]


ChangeKind = Literal["activation", "layout", "orientation", "normalisation", "channels", "order", "skip"]


class Assumption(Part):
    """One thing on which the reading of the network and its inputs rests."""

    what: Assumed
    """Activation of hidden layers; normalisation of inputs; layout of flattened images; order of layers; chain: no
    skip connections between layers."""
    value: str
    """What was taken, in the words of the option that states it where there is one."""
    stated: bool
    """Whether the user or the checkpoint said so; otherwise it was assumed."""


class Fit(Part):
    """How the network as read does on some samples."""

    count: Count
    """Number of samples that were looked at; below the number given where all would have taken too long."""
    right: Count | None = None
    """Number of these whose label the network gives; None without labels."""
    accuracy: Fraction | None = None
    """Share of these whose label the network gives; None without labels."""
    loss: Measured = None
    """Mean cross-entropy with the labels, in nats; None without labels."""
    confidence: Fraction
    """Mean probability of the class that the network says."""
    correlation: Measured = None
    """Correlation of outputs with the targets of a regression; None without such targets."""


class ColumnFit(Part):
    """How far the columns of a table are normalised, by members and controls together."""

    off: Count
    """Columns whose mean is farther than 1 from 0, or whose standard deviation is not from 1/4 to 4."""
    all: Count
    """Columns that are not the same in all rows."""
    mean: float
    """Median distance of their means from 0."""
    spread: float
    """Median standard deviation."""


class Trial(Part):
    """One change to the reading, and how the network does on members with it."""

    what: ChangeKind
    """What was changed: an assumption, or how images are turned, whether their channels are reversed, or whether
    the network has skip connections."""
    value: str
    """What it was changed to."""
    count: Count
    """Number of members that were looked at."""
    right: Count | None = None
    """Number of these whose label the network then gives; None without labels."""
    loss: Measured = None
    """Mean cross-entropy with the labels, in nats; None without labels."""
    scaled_loss: Measured
    """Mean logistic loss of their margins after these were scaled to a mean of 8: small where margins are even, as
    training makes them. None where the mean margin is not positive. Of a regression, the share of the targets'
    variance that outputs leave unexplained."""
    mends: bool
    """Whether the network knows its members far better with this change."""


class Reading(Part):
    """The network as it was read, on members and controls. No attack sees any of this."""

    assumed: list[Assumption] = Field(default=[])
    """What the reading rests on."""
    members: Fit
    """On the training samples."""
    controls: Fit | None = None
    """On held-out samples; None without any."""
    majority: Fraction | None = None
    """Share of the members that have the most frequent label: what always saying that one gets right; None without
    labels."""
    p_chance: Fraction | None = None
    """Probability of so many right members by always saying the most frequent label; None without labels."""
    p_fewer_right: Fraction | None = None
    """One-sided p-value (Fisher's exact test) for members being right less often than controls; None where
    labels of either are unknown."""
    p_higher_loss: Fraction | None = None
    """One-sided p-value (Mann-Whitney) for the margins of members being smaller than those of controls; None where
    labels of either are unknown."""
    p_correlation: Fraction | None = None
    """One-sided p-value for a correlation of outputs at members with the targets of a regression."""
    p_surer: Fraction | None = None
    """One-sided p-value (Mann-Whitney) for the network being surer of members than of controls; None without
    controls."""
    p_less_sure: Fraction | None = None
    """One-sided p-value likewise for being less sure of them."""
    columns: ColumnFit | None = None
    """Columns of a table after normalisation; None for images."""
    renumbered: bool = False
    """Whether the network tells the members' classes apart, but numbers them otherwise than their labels."""
    tried: list[Trial] = Field(default=[])
    """Single changes that could mend a misreading, those that do so first."""
    mended_by: Trial | None = None
    """Change that mends the reading best; None if none does."""
    untrained: bool | None = None
    """Whether no layer's weights can be told from a random initialisation, by their largest singular values; None
    where no layer is wide enough to tell."""
