"""Pictures and rows made or shipped with the dependencies: shapes, digits in a font, faces, colour, tables."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data
from torch.nn.functional import interpolate

from tests.tiny import blobs

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float64]


def shapes(count: int, seed: int = 0, side: int = 12) -> Pixels:
    """(count, side, side) sums of a few bumps, no two alike."""
    return blobs(count, seed, side)


@cache
def digits(
    count: int, seed: int = 0, kinds: str = "0123456789", side: int = 14
) -> tuple[Pixels, NDArray[np.int64]]:
    """(count, side, side) digits in a font, each bent and as bold as chance has it; and which."""
    random = np.random.default_rng(seed)
    which = random.integers(len(kinds), size=count)
    pictures = [_digit(kinds[one], random, side) for one in which]
    return np.stack(pictures), np.array([int(kinds[one]) for one in which])


def _digit(kind: str, random: np.random.Generator, side: int) -> Pixels:
    large = 4 * side
    picture = Image.new("L", (large, large))
    font = ImageFont.load_default(float(random.uniform(2.8, 3.4) * side))
    stroke = int(random.integers(0, 5))
    middle = (large / 2, large / 2)
    ImageDraw.Draw(picture).text(middle, kind, fill=255, font=font, anchor="mm", stroke_width=stroke)
    corners = np.array([0, 0, 0, large, large, large, large, 0]) + random.normal(0, large / 7, 8)
    bent = picture.transform((large, large), Image.Transform.QUAD, tuple(corners), Image.Resampling.BILINEAR)
    return np.asarray(bent.resize((side, side), Image.Resampling.BOX))


@cache
def faces(side: int = 16) -> Pixels:
    """(100, side, side) faces of a subset of Labeled Faces in the Wild."""
    small = interpolate(torch.from_numpy(data.lfw_subset()[:100])[:, None].float(), (side, side), mode="area")
    return np.round(255 * small[:, 0].numpy()).astype(np.uint8)


@cache
def colours(count: int, seed: int = 0, side: int = 10) -> Pixels:
    """(count, side, side, 3) patches of photographs in random order, none of them overlapping."""
    patches = []
    for photograph in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()):
        wide = 2 * side
        high, across = (length // wide for length in photograph.shape[:2])
        cut = photograph[: high * wide, : across * wide].reshape(high, side, 2, across, side, 2, 3)
        patches.append(cut.mean((2, 5)).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3))
    every = np.concatenate(patches)
    lively = every[every.std((1, 2)).mean(1) > 20]
    return lively[np.random.default_rng(seed).permutation(len(lively))[:count]].round().astype(np.uint8)


def people(count: int, columns: int = 30, seed: int = 0) -> Rows:
    """(count, columns) of different units that go together: plain numbers, skewed ones, and yes or no."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(4, columns))
    rows = random.normal(size=(count, 4)) @ mixing + 3 * random.normal(size=(count, columns))
    third = columns // 3
    rows[:, :third] = 40 + 10 * rows[:, :third]
    rows[:, third : 2 * third] = 1000 * np.exp(rows[:, third : 2 * third] / 8)
    rows[:, 2 * third :] = rows[:, 2 * third :] > 0
    return rows.round(3)


def embeddings(count: int, seed: int = 0) -> tuple[Rows, NDArray[np.int64]]:
    """(count, 96) vectors about ten centres, and which."""
    random = np.random.default_rng(seed)
    centres, which = np.random.default_rng(77).normal(size=(10, 96)), random.integers(10, size=count)
    return (centres[which] + 1.5 * random.normal(size=(count, 96))).round(4), which
