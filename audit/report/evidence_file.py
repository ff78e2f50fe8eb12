"""The pictures of a report, or its rows, as bytes, so that it can be rendered again without the data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from audit.report.evidence import Evidence, Trajectory
from audit.report.schema import Report

_STRUCTURE = "structure"
"""Name of the tensor of all the rest, as JSON; images and rows stand in it by the names of their tensors."""


def to_bytes(report: Report, evidence: Sequence[Evidence], trajectories: Sequence[Trajectory]) -> bytes:
    """Write the pictures of a report as safetensors: images as uint8, which is how reports show them.

    Rows of a table keep their values.
    """
    tensors: dict[str, NDArray[Any]] = {}
    content = [
        [{field.name: _pack(getattr(item, field.name), tensors) for field in fields(item)} for item in items]
        for items in (evidence, trajectories)
    ]
    tensors[_STRUCTURE] = np.frombuffer(json.dumps([_run(report), *content]).encode(), dtype=np.uint8)
    return save(tensors, metadata={"content": "model-audit evidence"})


def from_bytes(content: bytes, report: Report) -> tuple[list[Evidence], list[Trajectory]]:
    """Read what `to_bytes` wrote; nothing if that was for the report of another run.

    Raises
    ------
    SafetensorError, KeyError, TypeError, ValueError
        When the bytes are anything else.
    """
    tensors = load(content)
    run, evidence, trajectories = _unpack(json.loads(tensors[_STRUCTURE].tobytes()), tensors)
    if run != _run(report):
        return [], []
    return [Evidence(**item) for item in evidence], [Trajectory(**item) for item in trajectories]


def _run(report: Report) -> list[str]:
    return [report.model.sha256, report.provenance.started]


def _pack(value: Any, tensors: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        name = str(len(tensors))
        kept = value if value.ndim == 1 else _pixels(value)
        tensors[name] = np.ascontiguousarray(kept)  # safetensors takes memory as it lies
        return {"image": name}
    return [_pack(item, tensors) for item in value] if isinstance(value, list) else value


def _pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.round(255 * np.clip(np.nan_to_num(image), 0.0, 1.0)).astype(np.uint8)
    return pixels


def _unpack(value: Any, tensors: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if isinstance(value, dict) and value.keys() == {"image"}:
        kept = tensors[value["image"]]
        return kept if kept.ndim == 1 else kept / 255.0
    return {key: _unpack(item, tensors) for key, item in value.items()} if isinstance(value, dict) else value
