"""Tensors that torch.save wrote: images alone, a pair with labels, or both by name.

PyTorch keeps channels first, (n, c, h, w). Which of the two layouts a file has, its shape says: images have one,
three or four channels. Where both are possible, `--input-shape` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray

from audit.dataset.arrays import CHANNELS, name_of_values
from audit.dataset.samples import Found
from audit.errors import CheckpointError, DataError
from audit.model.checkpoint import load_plain

_REMEDY = "save plain tensors: torch.save({'images': x, 'labels': y}, file)"


def from_tensors(spec: str, path: Path, shape: tuple[int, int, int] | None) -> Found:
    """Read a tensor, a pair (images, labels), or a dictionary with `images` or `features` and optional `labels`.

    A file that would have to run code is refused, as for checkpoints.
    """
    try:
        content = load_plain(path)
    except CheckpointError as error:
        raise DataError(error.problem, _REMEDY) from error
    values, labels, key = _parts(spec, content)
    array = _array(spec, values)
    if array.ndim == 4 and _channels_first(spec, array.shape, shape):
        array = array.transpose(0, 2, 3, 1)
    return Found(array, None if labels is None else _array(spec, labels), key=key)


def _parts(spec: str, content: object) -> tuple[object, object, Literal["images", "features"] | None]:
    if isinstance(content, Mapping):
        key = name_of_values(spec, content)
        return content[key], content.get("labels"), key
    if isinstance(content, tuple | list) and len(content) == 2:
        return content[0], content[1], None
    return content, None, None


def _array(spec: str, value: object) -> NDArray[Any]:
    if not isinstance(value, torch.Tensor) or value.is_meta or value.layout is not torch.strided:
        what = f"tensor stored as {value.layout}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise DataError(f"{spec} holds a {what}, expected a dense tensor", _REMEDY)
    # numpy has no bfloat16.
    plain = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
    array: NDArray[Any] = plain.resolve_conj().resolve_neg().numpy()
    return array


def _channels_first(spec: str, lengths: tuple[int, ...], shape: tuple[int, int, int] | None) -> bool:
    """Whether (n, a, b, c) is (n, channels, height, width), not (n, height, width, channels)."""
    _, a, b, c = lengths
    first, last = a in CHANNELS, c in CHANNELS
    if first != last:
        return first
    if shape in ((a, b, c), (c, a, b)):
        return shape == (a, b, c)
    how = "which can be read with the channels first or last" if first else "none of them 1, 3 or 4 channels"
    raise DataError(
        f"images of {spec} have shape {lengths}, {how}",
        f"state {'another' if shape else 'the'} --input-shape C,H,W, or store them as an .npz (n, h, w, c)",
    )
