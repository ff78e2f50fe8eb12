"""The positive control beside what the same attack finds in the audited network itself.

    python -m tests.benchmarks.control_power        # about two minutes; prints a table in Markdown

Small networks: 12 shapes of 12 x 12 pixels with random labels, and an ordinary classifier. Of each, `kkt-margin`
with `--rounds 1`; then positive-control models without and with the network's noise, trained to a margin of 100,
and as the tool makes them: with its noise, and to the margin of its members.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import torch

from audit.budget import Budget
from audit.diagnostics import layer_noise
from audit.diagnostics.training import descend
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.pipeline import positive_control
from audit.pipeline.progress import Silent
from audit.pipeline.run import observe_inputs, run
from audit.pipeline.session import Session
from audit.request.check import check
from audit.request.request import Request
from tests.silence import pictures, scenes
from tests.silence.asked import Asked

MEMBERS = 12
HEAD = """\
| network | noise of the layers | median margin | audit | no noise, margin 100 | noise, margin 100 | as it is made |
|---|---|--:|--:|--:|--:|--:|"""


def shapes(sizes: list[int], first: float | None, margin: float) -> Asked:
    """A network that was trained on shapes by gradient descent until every margin is as large.

    Its first layer begins with this standard deviation and the others with 1 / sqrt(inputs), or all as in PyTorch.
    """
    pixels, labels = pictures.shapes(MEMBERS + 200), scenes.coin(MEMBERS)
    mean = (pixels[:MEMBERS] / 255).mean(0).astype(np.float32)
    generator = torch.Generator().manual_seed(0)
    weights = []
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        usual = inputs**-0.5 if first else (3 * inputs) ** -0.5
        spread = first if first and place == 0 else usual
        weights.append(spread * torch.randn(outputs, inputs, generator=generator))
    biases = (torch.zeros(sizes[1]), *(None for _ in weights[1:]))
    network = Network(Parameters(tuple(weights), biases), "relu", (1.0,) * (len(weights) - 1))
    if margin:
        rows, without_end = scenes.inputs(pixels[:MEMBERS], mean, 1.0), Budget(math.inf, lambda: 0.0)
        network = descend(network, rows, torch.from_numpy(labels), margin, without_end).network
    names = [f"fc{place + 1}.{part}" for place in range(len(weights)) for part in ("weight", "bias")]
    pairs = zip(network.weights, network.biases, strict=True)
    tensors = zip(names, (tensor for pair in pairs for tensor in pair), strict=True)
    checkpoint = {name: tensor for name, tensor in tensors if tensor is not None}
    controls = pixels[MEMBERS:]
    return Asked(
        checkpoint, pixels[:MEMBERS], controls, labels, scenes.coin(len(controls), seed=6), mean, None
    )


NETWORKS: dict[str, Callable[[], Asked]] = {
    "144-200-1, small first layer, margin 100": lambda: shapes([144, 200, 1], 1e-4, 100.0),
    "the same, margin 5": lambda: shapes([144, 200, 1], 1e-4, 5.0),
    "144-200-1, PyTorch's initialisation, margin 100": lambda: shapes([144, 200, 1], None, 100.0),
    "144-100-100-1, small first layer, margin 60": lambda: shapes([144, 100, 100, 1], 1e-4, 60.0),
    "144-200-1, untrained": lambda: shapes([144, 200, 1], None, 0.0),
    "196-100-10, ordinary classifier of 600 digits": scenes.regularised,
}


def usual(parameters: Parameters) -> tuple[float, ...]:
    """Levels of the noise of a model that knows nothing of the audited network: none in the first layer."""
    return (0.0, *(weight.shape[1] ** -0.5 for weight in parameters.weights[1:]))


def row(name: str, asked: Asked, folder: Path) -> str:
    """What the audit and three positive controls confirm."""
    words = [str(word) for word in asked.write(folder)]
    options: dict[str, Any] = {
        word.removeprefix("--"): value for word, value in zip(words[1::2], words[2::2], strict=True)
    }
    request = Request.of(words[0], **options, rounds=1, attacks=("kkt-margin",), policy="research")
    found = run(request.but(positive_control=False)).report.summary
    inputs = check(request)
    session = Session(request, inputs, Silent(), time.monotonic, lambda: False)
    seen = observe_inputs(inputs)
    levels, sure = (
        layer_noise.of_weights(seen.network.parameters),
        positive_control.sureness(seen, inputs.truth),
    )
    noise = ", ".join(f"{level:.2g}" for level in levels)
    cells = [noise, f"{sure:.1f}", f"{found.confirmed} of {found.members}", *controls(session, seen, sure)]
    return f"| {name} | {' | '.join(cells)} |"


def controls(session: Session, seen: Any, sure: float) -> Iterator[str]:
    """What came back of the models without noise, with noise, and as they are made."""
    nothing_misread = mock.patch.object(positive_control, "misreading", return_value=None)
    for of_weights, margin in (
        (usual, 100.0),
        (layer_noise.of_weights, 100.0),
        (layer_noise.of_weights, sure),
    ):
        with (
            nothing_misread,
            mock.patch.object(layer_noise, "of_weights", of_weights),
            mock.patch.object(positive_control, "sureness", lambda *_, margin=margin: margin),
        ):
            found = positive_control.try_positive_control(session, seen, mock.Mock(), math.inf)
        assert found is not None
        yield f"{found.confirmed} of {found.images}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(HEAD)
    for name, make in NETWORKS.items():
        with TemporaryDirectory() as folder:
            print(row(name, make(), Path(folder)), flush=True)
