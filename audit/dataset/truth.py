"""What attacks must never see: members and controls as the network takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.dataset.samples import Samples
from audit.model.preprocessing import Preprocessing


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
    preprocessing: Preprocessing
    """From values of the data to normalised inputs."""
    targets: NDArray[np.float32] | None = None
    """(n,) what a regression was trained to give for the members, in place of labels; None where unknown."""
    control_targets: NDArray[np.float32] | None = None
    """(k,) the same of the controls."""

    @classmethod
    def of(cls, members: Samples, controls: Samples | None, preprocessing: Preprocessing) -> Truth:
        """Normalise members and controls."""
        inputs = preprocessing.normalise(members.values)
        if controls is None:
            return cls(inputs, inputs[:0], members.labels, None, preprocessing, members.targets)
        return cls(
            inputs,
            preprocessing.normalise(controls.values),
            members.labels,
            controls.labels,
            preprocessing,
            members.targets,
            controls.targets,
        )
