"""Device and precision."""

import pytest
import torch

from audit.errors import UsageError
from audit.request.machine import Machine, resolve_machine
from audit.request.request import AttackOptions


@pytest.mark.parametrize(("cuda", "device"), [(True, "cuda"), (False, "cpu")])
def test_the_device_is_chosen_by_what_there_is(
    cuda: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert resolve_machine(AttackOptions()) == (Machine(device, torch.float32), [])
    assert resolve_machine(AttackOptions(device="cpu"))[0].device == "cpu"


def test_double_precision_is_noted() -> None:
    machine, notes = resolve_machine(AttackOptions(device="cpu", precision="float64"))
    assert (machine.dtype, notes) == (torch.float64, ["attacks computed in float64"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (AttackOptions(device="tpu"), "unknown device 'tpu'"),
        (AttackOptions(device="cuda"), "PyTorch finds no CUDA device"),
        (AttackOptions(precision="float16"), "unknown precision 'float16'"),
    ],
)
def test_what_there_is_not(options: AttackOptions, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=words):
        resolve_machine(options)
