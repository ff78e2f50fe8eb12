"""What attacks must never see: members and controls as the network takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.dataset.imageset import ImageSet
from audit.model.preprocessing import InputFormat


@dataclass(frozen=True, eq=False)
class Truth:
    """Members and controls as normalised inputs."""

    members: NDArray[np.float32]
    """(n, d)"""
    controls: NDArray[np.float32]
    """(k, d); k may be 0."""
    labels: NDArray[np.int64] | None
    """(n,) labels of the members (class indices); None where unknown."""
    control_labels: NDArray[np.int64] | None
    """(k,) labels of the controls; None where unknown."""
    format: InputFormat
    """From values of the data to normalised inputs."""

    @classmethod
    def of(cls, members: ImageSet, controls: ImageSet | None, format: InputFormat) -> Truth:
        """Normalise members and controls."""
        inputs = format.to_network(members.images)
        if controls is None:
            return cls(inputs, inputs[:0], members.labels, None, format)
        return cls(inputs, format.to_network(controls.images), members.labels, controls.labels, format)
