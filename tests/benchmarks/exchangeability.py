"""How often samples of one source are told apart, and whether others are: the comparison of members with controls.

    python -m tests.benchmarks.exchangeability [--draws 200] [--data-dir ../shared/data]

Members and controls are drawn from one source, MNIST's test set or CIFAR-10, without replacement and with the
labels and noise scores that audits have; then from sources that differ. Writes results/exchangeability.md.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.scoring.conformal import benjamini_hochberg
from audit.scoring.exchangeability import LEVEL, Exchangeability, Side, exchangeability
from audit.scoring.similarity import standardise
from tests.benchmarks.run import RESULTS
from tests.benchmarks.targets import DATA_DIR

SIZES = ((4, 100), (8, 50), (40, 20), (40, 50), (100, 300), (1000, 50))
"""Of members and controls."""
Source = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Pixels (n, d) and labels (n,)."""


def mnist(folder: Path) -> Source:
    """The whole test set, in its order."""
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28 * 28)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype(np.float32) / 255, labels.astype(np.int64)


def cifar(folder: Path) -> Source:
    """3,000 images."""
    with np.load(folder / "cifar10_3k.npz") as archive:
        return archive["images"].reshape(3000, -1).astype(np.float32) / 255, archive["labels"].astype(
            np.int64
        )


def compare(members: Source, controls: Source, random: np.random.Generator) -> Exchangeability:
    """Compare as an audit does; the negative control is the best of 200 random images."""
    noise = standardise(random.normal(size=(200, members[0].shape[1])))

    def side(source: Source) -> Side:
        points = standardise(source[0])
        spread = source[0].std(axis=1)
        return Side(points, source[0].mean(axis=1), spread, source[1], (points @ noise.T).max(axis=1))

    return exchangeability(side(members), side(controls), random)


def level(source: Source, sizes: tuple[int, int], draws: int, random: np.random.Generator) -> float:
    """Share of draws from one source in which members and controls differ."""
    pixels, labels = source
    differ = 0
    for _ in range(draws):
        chosen = random.choice(len(pixels), sum(sizes), replace=False)
        ours, theirs = chosen[: sizes[0]], chosen[sizes[0] :]
        differ += compare((pixels[ours], labels[ours]), (pixels[theirs], labels[theirs]), random).differ
    return differ / draws


def others(source: Source, random: np.random.Generator) -> Iterator[tuple[str, Source, Source]]:
    """Members and controls that differ, of MNIST: the cases that were found by hand."""
    pixels, labels = source
    kinds = {
        "0, 3, 6, 8, 9": np.flatnonzero(np.isin(labels, [0, 3, 6, 8, 9])),
        "1, 7": np.flatnonzero(np.isin(labels, [1, 7])),
    }

    def some(places: NDArray[np.int64]) -> Source:
        return pixels[places], labels[places]

    for controls in (50, 300):
        for ours, theirs in (("0, 3, 6, 8, 9", "1, 7"), ("1, 7", "0, 3, 6, 8, 9")):
            yield f"digits {ours} | digits {theirs}", some(kinds[ours][:100]), some(kinds[theirs][:controls])
        blank = random.uniform(size=(controls, pixels.shape[1])).astype(np.float32)
        yield "all digits | noise", some(np.arange(100)), (blank, np.zeros(controls, np.int64))
        second = np.arange(5000, 5000 + controls)
        yield "first half | second half", some(np.arange(100)), some(second)
    yield "first half | second half", some(np.arange(1000)), some(np.arange(5000, 5500))


def confirmable(found: Exchangeability) -> int:
    """Members that could be confirmed if all were ahead of every control."""
    best = found.members / (found.members + found.controls.sum())
    return int(benjamini_hochberg(best, 0.05).sum())


def markdown(source: Source, other: Source, draws: int, random: np.random.Generator) -> str:
    """Both tables."""
    lines = [
        "# Members against controls, without the network",
        "",
        f"`python -m tests.benchmarks.exchangeability --draws {draws}`. Told apart: p < {LEVEL:g}.",
        "",
        f"One source, share told apart in {draws} draws:",
        "",
        "| members | controls | MNIST | CIFAR-10 |",
        "|--:|--:|--:|--:|",
    ]
    for sizes in SIZES:
        shares = [100 * level(one, sizes, draws, random) for one in (source, other)]
        lines.append(f"| {sizes[0]} | {sizes[1]} | {shares[0]:.1f} % | {shares[1]:.1f} % |")
    lines += [
        "",
        "Two sources, of MNIST's test set; confirmable: members that could be confirmed with weighted controls:",
        "",
        "| members \\| controls | sizes | p | told apart by | confirmable |",
        "|---|---|--:|---|--:|",
    ]
    for name, ours, theirs in others(source, random):
        found = compare(ours, theirs, random)
        sizes = f"{len(ours[0])}, {len(theirs[0])}"
        by = ", ".join(found.aspects) or "-"
        cells = (name.replace("|", r"\|"), sizes, f"{found.p_value:.2g}", by, str(confirmable(found)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR)
    asked = parser.parse_args()
    tables = markdown(mnist(asked.data_dir), cifar(asked.data_dir), asked.draws, np.random.default_rng(0))
    (RESULTS / "exchangeability.md").write_text(tables)
    print(tables)


if __name__ == "__main__":
    main()
