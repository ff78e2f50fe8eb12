"""What is missing, seen without reading anything."""

from pathlib import Path
from typing import Any

import pytest

from audit.errors import AuditError, CheckpointError
from audit.request.precheck import precheck, refuse_missing
from audit.request.request import Request


@pytest.fixture
def request_of(tmp_path: Path) -> Any:
    for name in ("model.pt", "train.npz"):
        (tmp_path / name).touch()

    def make(**options: Any) -> Request:
        return Request.of(tmp_path / "model.pt", **{"data": str(tmp_path / "train.npz"), **options})

    return make


def test_what_exists_passes_whatever_it_holds(request_of: Any, tmp_path: Path) -> None:
    (tmp_path / "report.json").touch()
    precheck(request_of())
    precheck(request_of(data=None))
    precheck(request_of(data="mnist:train", baseline=tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "none.npz"}, "none.npz is neither a file, nor a folder, nor a named data set"),
        ({"controls": "nist:test"}, "nist:test is neither"),
        ({"initial": "none.pt"}, "--initial: none.pt does not exist"),
        ({"gradient": "none.pt"}, "--gradient: none.pt does not exist"),
        ({"policy": "none.yaml"}, "none.yaml: no such policy file"),
        ({"waivers": "none.yaml"}, "--waivers none.yaml does not exist"),
        ({"baseline": "none"}, "--baseline: none does not exist"),
        ({"data": None, "mean": "0"}, "--mean without --data"),
        ({"threshold": 2.0}, "--threshold is 2"),
    ],
)
def test_what_is_missing_is_named(request_of: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AuditError) as error:
        precheck(request_of(**options))
    assert words in str(error.value)


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pt does not exist; check the path of the checkpoint"):
        refuse_missing(tmp_path / "none.pt")
