"""How users name samples."""

from pathlib import Path

import pytest

from audit.dataset.specs import may_exist, refuse_unknown
from audit.errors import DataError


def test_a_path_or_a_named_set_is_known(tmp_path: Path) -> None:
    for spec in (str(tmp_path), "mnist:train[:5]", "CIFAR10:test", "mnist:whatever"):
        refuse_unknown(spec)


@pytest.mark.parametrize("spec", ["none.npz", "mnist", "nist:train", "no:such:set", "null\0byte"])
def test_what_is_neither_is_refused(spec: str) -> None:
    with pytest.raises(DataError, match="neither a file, nor a folder, nor a named data set; check the path"):
        refuse_unknown(spec)


def test_what_cannot_be_looked_at_may_exist(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert may_exist(tmp_path / "file")
    assert not may_exist(tmp_path / "none")
    assert not may_exist(tmp_path / "file" / "below")
    assert may_exist("x" * 5000)  # too long for a name: reading it says so
