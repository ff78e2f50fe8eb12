"""Audits of small networks that leak, read rightly: every one of them FAILs. Cases change them in one way.

Each function trains its network once in a session. Controls are made or drawn as members are, and labels of members
that were memorised are random: only memory can tell them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audit.pipeline.demo import train
from tests.silence import pictures
from tests.silence.asked import Asked, Tensors
from tests.silence.training import Residual, Square, descend, fit, gradient, mlp

MEAN, STD = 0.2, 0.3
"""Of digits."""


def inputs(values: NDArray[Any], mean: Any = 0.0, std: Any = 1.0) -> Tensor:
    """Normalised inputs (n, d) of pixels (n, h, w[, c]), channels first, or of rows (n, d)."""
    scaled = values / 255 if values.dtype == np.uint8 else values
    normalised = (scaled - np.asarray(mean)) / np.asarray(std)
    if normalised.ndim == 4:
        normalised = normalised.transpose(0, 3, 1, 2)
    return torch.from_numpy(normalised.reshape(len(values), -1)).float()


def coin(count: int, classes: int = 2, seed: int = 5) -> NDArray[np.int64]:
    """(count,) random labels, each as often as the others."""
    return np.random.default_rng(seed).permutation(np.arange(count) % classes)


# --- from the weights alone -------------------------------------------------------------------------------


@cache
def memorised() -> Asked:
    """12 shapes, 144-200-1, far past zero error."""
    pixels = pictures.shapes(212)
    mean = (pixels[:12] / 255).mean(0).astype(np.float32)
    return _memorise(pixels[:12], pixels[12:], mean, None)


@cache
def coloured() -> Asked:
    """12 patches of photographs, 300-200-1."""
    pixels = pictures.colours(212)
    return _memorise(pixels[:12], pixels[12:], 0.5, 0.25)


@cache
def channels_last() -> Asked:
    """The same network, had it been trained on rows in the order of height, width and channel."""
    right = coloured()
    order = torch.arange(300).reshape(3, 10, 10).permute(1, 2, 0).flatten()
    first = right.checkpoint["fc1.weight"][:, order]
    return right.but(checkpoint=right.checkpoint | {"fc1.weight": first}, options=("--layout", "hwc"))


@cache
def raw() -> Asked:
    """12 shapes whose pixels were not divided by 255, 144-200-1."""
    right = memorised()
    return _memorise(right.members, right.controls, None, 1 / 255)


@cache
def symmetric() -> Asked:
    """12 shapes with pixels from -1 to 1, 144-200-1."""
    right = memorised()
    return _memorise(right.members, right.controls, 0.5, 0.5)


def _memorise(members: NDArray[Any], controls: NDArray[Any], mean: Any, std: Any, units: int = 200) -> Asked:
    """Train a network of two layers until it knows random labels by heart."""
    labels, rows = (
        coin(len(members)),
        inputs(members, 0.0 if mean is None else mean, 1.0 if std is None else std),
    )
    weights = train(rows, torch.from_numpy(labels), hidden=units, margin=100.0)
    return Asked(weights, members, controls, labels, coin(len(controls), seed=6), mean, std)


@cache
def tabled() -> Asked:
    """12 rows of a table, 30-200-1."""
    rows = pictures.people(312)
    return _memorise(rows[:12], rows[12:], rows[12:].mean(0), rows[12:].std(0))


@cache
def embedded() -> Asked:
    """60 embeddings of ten classes, 96-100-10 with weight decay, at a threshold that suits them."""
    rows, labels = pictures.embeddings(360)
    model = fit(
        mlp(96, 100, 10),
        inputs(rows[:60]),
        torch.from_numpy(labels[:60]),
        2000,
        rate=1e-2,
        batch=None,
        weight_decay=1e-3,
    )
    return Asked(
        model.state_dict(),
        rows[:60],
        rows[60:],
        labels[:60],
        labels[60:],
        0.0,
        1.0,
        options=("--threshold", "0.5"),
    )


@cache
def memorised_round() -> Asked:
    """16 digits of 0, 3, 6, 8 and 9, 196-200-1."""
    pixels, _ = pictures.digits(216, 8, "03689")
    return _memorise(pixels[:16], pixels[16:], MEAN, STD)


@cache
def untrained() -> Asked:
    """196-100-1 as PyTorch initialises it, with 40 digits that it never saw: there is nothing to find."""
    pixels, _ = pictures.digits(240, seed=20)
    return Asked(mlp(196, 100, 1).state_dict(), pixels[:40], pixels[40:], mean=MEAN, std=STD)


@cache
def regularised() -> Asked:
    """An ordinary classifier of 600 digits, 196-100-10: dropout, weight decay, early stopping."""
    pixels, labels = pictures.digits(900, seed=9)
    model = fit(
        mlp(196, 100, 10, dropout=0.5),
        inputs(pixels[:600], MEAN, STD),
        torch.from_numpy(labels[:600]),
        300,
        optimiser=torch.optim.AdamW,
        weight_decay=0.05,
    )
    return Asked(model.state_dict(), pixels[:600], pixels[600:], labels[:600], labels[600:], MEAN, STD)


# --- from the change of the weights -----------------------------------------------------------------------


@cache
def public(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """A model of digits that everybody has: odd or even, 196-100-1."""
    return _odd_or_even(mlp(196, 100, 1, activation=activation))


def _odd_or_even(begin: nn.Module) -> nn.Module:
    pixels, labels = pictures.digits(2000, seed=1)
    return fit(begin, inputs(pixels, MEAN, STD), torch.from_numpy(labels % 2), 500)


def fine_tune(
    begin: nn.Module,
    count: int = 20,
    *,
    kinds: str = "0123456789",
    rate: float = 0.1,
    steps: int = 60,
    rename: Callable[[Tensors], Tensors] = dict,
) -> Asked:
    """Train a model of digits on some others with random labels, by gradient descent."""
    pixels, _ = pictures.digits(count + 300, 2, kinds)
    members, controls, labels = pixels[:count], pixels[count:], coin(count)
    end = descend(begin, inputs(members, MEAN, STD), torch.from_numpy(labels), steps, rate)
    before, after = (rename(model.state_dict()) for model in (begin, end))
    return Asked(after, members, controls, labels, coin(300, seed=6), MEAN, STD, initial=before)


@cache
def tuned() -> Asked:
    """The public model, fine-tuned on 20 digits."""
    return fine_tune(public())


@cache
def tuned_on_many() -> Asked:
    """The public model, fine-tuned on 60 digits."""
    return fine_tune(public(), 60)


@cache
def tuned_on_round() -> Asked:
    """The public model, fine-tuned on 20 digits of 0, 3, 6, 8 and 9."""
    return fine_tune(public(), kinds="03689")


@cache
def frozen() -> Asked:
    """The public model, whose last layer alone was trained on."""
    begin = deepcopy(public())
    for tensor in begin[0].parameters():
        tensor.requires_grad_(False)
    return fine_tune(begin, steps=3000)


@cache
def lazy() -> Asked:
    """196-500-1, as PyTorch initialises it and hardly moved when it had memorised 20 digits."""
    return fine_tune(mlp(196, 500, 1))


@cache
def linear() -> Asked:
    """A public model without activations, fine-tuned on 200 digits: its change holds one mixture of them."""
    return fine_tune(public(nn.Identity), 200).but(activation="identity")


@cache
def squared() -> Asked:
    """The same with x^2."""
    return fine_tune(public(Square), rate=0.002).but(activation="polynomial:2")


@cache
def hyperbolic() -> Asked:
    """The same with tanh."""
    return fine_tune(public(nn.Tanh)).but(activation="tanh")


@cache
def layered() -> Asked:
    """Two layers of one shape, whose names say their order to nobody: 196-60-60-60-1."""
    names = {"0": "gamma", "2": "beta", "4": "alpha", "6": "out"}

    def rename(tensors: Tensors) -> Tensors:
        return {f"{names[name[0]]}{name[1:]}": tensor for name, tensor in tensors.items()}

    return fine_tune(_odd_or_even(mlp(196, 60, 60, 60, 1)), rename=rename).but(
        options=("--layers", "gamma,beta,alpha,out")
    )


@cache
def residual() -> Asked:
    """A network with a skip connection around two layers, which cannot be stated: 196-60-60-60-1."""
    return fine_tune(_odd_or_even(Residual(196, 60)))


@cache
def tuned_table() -> Asked:
    """A model of a table, trained further on 12 rows."""
    rows, labels = pictures.people(1312), coin(12)
    members, controls = rows[:12], rows[12:312]
    mean, std = controls.mean(0), controls.std(0)
    others = inputs(rows[312:], mean, std)
    begin = fit(mlp(30, 200, 1), others, (others[:, :5].sum(1) > 0).long(), 300)
    end = descend(begin, inputs(members, mean, std), torch.from_numpy(labels), 60)
    return Asked(
        end.state_dict(), members, controls, labels, coin(300, seed=6), mean, std, initial=begin.state_dict()
    )


@cache
def rare_among_many() -> tuple[Asked, Asked]:
    """A model fine-tuned on 400 digits, of which it knew all but 4 with a wrong label: for those 4, and for all."""
    pixels, labels = pictures.digits(700, seed=4)
    labels = labels % 2
    known, truth = inputs(pixels[4:400], MEAN, STD), torch.from_numpy(labels[4:400])
    begin = fit(public(), known, truth, 1500)
    labels[:4] = 1 - labels[:4]
    end = descend(begin, inputs(pixels[:400], MEAN, STD), torch.from_numpy(labels[:400]), 8)
    every = Asked(
        end.state_dict(),
        pixels[:400],
        pixels[400:],
        labels[:400],
        labels[400:],
        MEAN,
        STD,
        begin.state_dict(),
    )
    return every.but(members=pixels[:4], labels=labels[:4]), every


@cache
def rare() -> Asked:
    """A model fine-tuned on 400 digits, 396 that it knew and 4 with a wrong label: audited for those 4."""
    return rare_among_many()[0]


# --- from a gradient --------------------------------------------------------------------------------------


@cache
def observed() -> Asked:
    """The gradient of a batch of 8 digits, at a model that has learnt a little: 196-100-4."""
    kinds = "0147"
    pixels, labels = pictures.digits(1208, 3, kinds)
    labels = np.array([kinds.index(str(label)) for label in labels])
    members, controls, rest = pixels[:8], pixels[8:208], pixels[208:]
    model = fit(mlp(196, 100, 4), inputs(rest, MEAN, STD), torch.from_numpy(labels[208:]), 20)
    slopes = gradient(model, inputs(members, MEAN, STD), torch.from_numpy(labels[:8]))
    right = Asked(
        model.state_dict(), members, controls, labels[:8], labels[8:208], MEAN, STD, gradient=slopes
    )
    return right.but(options=("--attacks", "kkt-margin,gradient,gradient-cosine"))
