"""What an audit rests on besides the files: how the network and its inputs were read, and who said so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from audit.model.modality import IMAGES, Layout
from audit.model.preprocessing import Preprocessing
from audit.report.reading import Assumption
from audit.request.request import Request
from audit.request.weights import Weights


def assumptions(request: Request, weights: Weights, preprocessing: Preprocessing | None) -> list[Assumption]:
    """List what the reading of a network rests on, and of its inputs if there are any."""
    found = [*_of_the_network(request, weights)]
    if preprocessing is not None:
        found += _of_inputs(request, preprocessing, weights.architecture.layout)
    return found


def _of_the_network(request: Request, weights: Weights) -> Iterator[Assumption]:
    stated = request.model.activation is not None or "activation" in weights.checkpoint.metadata
    yield Assumption(what="activation", value=weights.architecture.activation, stated=stated)
    architecture = weights.architecture
    if architecture.chosen or architecture.interchangeable:
        order = ",".join(layer.weight for layer in architecture.layers)
        yield Assumption(what="order", value=order, stated=architecture.chosen)
    yield Assumption(what="chain", value=architecture.sizes, stated=False)


def _of_inputs(request: Request, preprocessing: Preprocessing, layout: Layout | None) -> Iterator[Assumption]:
    mean, std = request.samples.mean, request.samples.std
    value = f"mean {_shown(mean, '0')}, std {_shown(std, '1')}"
    yield Assumption(what="normalisation", value=value, stated=mean is not None or std is not None)
    if preprocessing.modality is IMAGES and preprocessing.shape[0] > 1:
        said = request.samples.layout is not None or layout is not None
        yield Assumption(what="layout", value=preprocessing.layout, stated=said)


def _shown(text: str | None, default: str) -> str:
    """Numbers as they were written, and a file without its folder."""
    return default if text is None else Path(text).name
