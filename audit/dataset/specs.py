"""How users name samples: by a path, or as a data set of torchvision such as `mnist:train[:500]`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from audit.errors import DataError

SETS = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
"""Named data sets and their torchvision classes."""
NAMED = re.compile(r"([\w-]+):(train|test)(?:\[(-?\d+)?:(-?\d+)?\])?", re.IGNORECASE)
"""A named data set: its name, split, start and stop."""


def may_exist(path: str | Path) -> bool:
    """Say whether there may be something at a path; what hinders a look, such as a locked folder, says no more."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def default_controls(spec: str) -> str | None:
    """Return the test set beside a named training set (`mnist:test` for `mnist:train[:500]`), else None."""
    named = NAMED.fullmatch(spec)
    if named is None or named[1].lower() not in SETS or named[2].lower() != "train" or may_exist(spec):
        return None
    return f"{named[1]}:test"


def refuse_unknown(spec: str) -> None:
    """Check that a path exists, or that it names a data set.

    Raises
    ------
    DataError
        When it does neither.
    """
    name, colon, _ = spec.partition(":")
    if may_exist(spec) or (colon and name.lower() in SETS):
        return
    raise DataError(
        f"{spec} is neither a file, nor a folder, nor a named data set",
        f"check the path, or name one of {', '.join(SETS)} as in mnist:train[:500]",
    )
