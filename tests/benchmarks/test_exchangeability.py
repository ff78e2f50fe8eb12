"""The comparison of members with controls: its tables on small sources, and the figures that were committed."""

import re

import numpy as np

from tests.benchmarks.exchangeability import SIZES, compare, confirmable, level, markdown
from tests.benchmarks.run import RESULTS


def source(seed: int, count: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.uniform(size=(count, 9)).astype(np.float32), random.integers(0, 10, count)


def test_one_source_is_hardly_told_apart_and_two_are() -> None:
    random = np.random.default_rng(0)
    assert level(source(0), (20, 30), 20, random) <= 0.05
    pixels, labels = source(1, 200)
    found = compare((pixels[:100], labels[:100]), (0.3 * pixels[100:] ** 4, labels[100:]), random)
    assert found.differ
    assert 0 <= confirmable(found) <= 100


def test_the_tables_have_a_row_for_every_size_and_case(monkeypatch) -> None:
    monkeypatch.setattr("tests.benchmarks.exchangeability.SIZES", ((4, 20),))
    monkeypatch.setattr("audit.scoring.two_sample._PERMUTATIONS", 99)
    tables = markdown(source(0), source(1), 2, np.random.default_rng(0))
    assert len(re.findall(r"^\| 4 \| 20 \|", tables, re.MULTILINE)) == 1
    assert len(re.findall(r"^\| .* \\\| .* \|$", tables, re.MULTILINE)) == 10


def test_committed_figures_keep_the_level_and_see_the_cases() -> None:
    tables = (RESULTS / "exchangeability.md").read_text()
    shares = [float(share) for share in re.findall(r"(\d+\.\d) %", tables)]
    assert len(shares) == 2 * len(SIZES)
    assert np.mean(shares) <= 1.0
    p_values = [float(p) for p in re.findall(r"\| \d+, \d+ \| ([\d.e-]+) \|", tables)]
    assert len(p_values) == 9
    assert max(p_values) < 0.01
