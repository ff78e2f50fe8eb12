"""Samples that are there twice: within one set, or as a member and as a control."""

from __future__ import annotations

import hashlib

import numpy as np

from audit.dataset.samples import Samples
from audit.model.modality import IMAGES


def distinct(samples: Samples) -> Samples:
    """Leave out exact copies of an earlier sample, whatever their labels."""
    first = {digest: place for place, digest in reversed(list(enumerate(_digests(samples))))}
    return samples.keep(np.array(sorted(first.values()), dtype=np.int64))


def shared(members: Samples, controls: Samples) -> dict[int, int]:
    """Find controls that are exact copies of members: place of the control, to place of the first such member."""
    known = {digest: place for place, digest in reversed(list(enumerate(_digests(members))))}
    return {place: known[digest] for place, digest in enumerate(_digests(controls)) if digest in known}


def _digests(samples: Samples) -> list[bytes]:
    """One hash per image, blind to the rounding between uint8 and the float formats; or per row of a table."""
    values = samples.values + np.float32(0.0)  # of the two zeros, one
    if samples.modality is IMAGES:
        values = np.round(values * np.float32(65535)).astype(np.uint16)
    shape = repr(values.shape[1:]).encode()
    return [hashlib.blake2b(row.tobytes(), digest_size=16, key=shape).digest() for row in values]
