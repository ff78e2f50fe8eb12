import contextlib
import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from audit.errors import CheckpointError
from audit.model.checkpoint import load_checkpoint

TENSORS = {
    "fc1.weight": torch.arange(12, dtype=torch.float32).reshape(4, 3),
    "fc1.bias": torch.ones(4),
    "fc2.weight": torch.ones(1, 4, dtype=torch.float16),
}


def saved(folder: Path, content: object, name: str = "model.pt", **options: Any) -> Path:
    path = folder / name
    torch.save(content, path, **options)
    return path


def safetensors_file(folder: Path, metadata: dict[str, str] | None = None) -> Path:
    path = folder / "model.safetensors"
    save_file(TENSORS, path, metadata=metadata)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def assert_same(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_safetensors(tmp_path: Path) -> None:
    path = safetensors_file(tmp_path, {"activation": "relu"})
    checkpoint = load_checkpoint(path)
    assert_same(checkpoint.tensors)
    assert checkpoint.path == path
    assert checkpoint.metadata == {"activation": "relu"}
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_safetensors_without_metadata(tmp_path: Path) -> None:
    assert load_checkpoint(safetensors_file(tmp_path)).metadata == {}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_state_dict_keeps_the_order_of_the_file(tmp_path: Path, suffix: str, zipped: bool) -> None:
    path = saved(tmp_path, TENSORS, f"model{suffix}", _use_new_zipfile_serialization=zipped)
    checkpoint = load_checkpoint(path)
    assert_same(checkpoint.tensors)
    assert list(checkpoint.tensors) == ["fc1.weight", "fc1.bias", "fc2.weight"]
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_parameters_come_without_gradient(tmp_path: Path) -> None:
    path = saved(tmp_path, dict(torch.nn.Linear(3, 2).named_parameters()))
    assert not any(tensor.requires_grad for tensor in load_checkpoint(path).tensors.values())


@pytest.mark.parametrize("name", ["model.pt", "model.weights", "model"])
def test_content_counts_more_than_the_suffix(tmp_path: Path, name: str) -> None:
    assert_same(load_checkpoint(safetensors_file(tmp_path).rename(tmp_path / name)).tensors)
    assert_same(load_checkpoint(saved(tmp_path, TENSORS, "x.safetensors")).tensors)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state},
        lambda state: {"model_state_dict": state, "epoch": 3, "loss": torch.tensor(0.5)},
        lambda state: {"model": state, "rng": torch.zeros(8, dtype=torch.uint8)},
        lambda state: {"checkpoint": {"net": state}, "optimizer": optimiser_state()},
        lambda state: {**state, "epoch": 3, "optimizer": optimiser_state()},
    ],
)
def test_the_only_state_dict_is_found(
    tmp_path: Path, wrap: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    assert_same(load_checkpoint(saved(tmp_path, wrap(TENSORS))).tensors)


def optimiser_state() -> dict[str, Any]:
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


def test_strings_beside_a_state_dict_are_metadata(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(saved(tmp_path, {"state_dict": TENSORS, "activation": "relu", "epoch": 3}))
    assert checkpoint.metadata == {"activation": "relu"}


def test_several_state_dicts_are_ambiguous(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, {"model": TENSORS, "ema": TENSORS, "epoch": 1}))
    assert "2 state dicts (model, ema)" in message
    message = refusal(saved(tmp_path, {**TENSORS, "ema": TENSORS}))
    assert "2 state dicts (the top level, ema)" in message


def test_a_mapping_that_holds_itself_ends(tmp_path: Path) -> None:
    content: dict[str, Any] = {"epoch": 1}
    content["model"] = content
    assert "holds no tensors" in refusal(saved(tmp_path, content))


class Malicious:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("form", ["zip", "legacy", "inside"])
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
def test_a_pickle_that_runs_code_is_never_loaded(tmp_path: Path, form: str, suffix: str) -> None:
    proof = tmp_path / "executed"
    evil = Malicious(f"touch '{proof}'")
    path = tmp_path / f"evil{suffix}"
    content = {"state_dict": TENSORS, "extra": evil} if form == "inside" else evil
    torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    message = refusal(path)
    assert not proof.exists()
    assert "would run code" in message
    assert "system" in message
    assert "torch.save(model.state_dict(), path)" in message

    with path.open("rb") as file:
        torch.load(file, weights_only=False)
    assert proof.exists(), "the file was harmless: the test above proves nothing"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_plain_pickle_is_never_loaded(tmp_path: Path, protocol: int) -> None:
    proof = tmp_path / "executed"
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Malicious(f"touch '{proof}'"), protocol))
    assert "plain pickle, which can run code" in refusal(path)
    assert not proof.exists()
    pickle.loads(path.read_bytes())
    assert proof.exists(), "the file was harmless: the test above proves nothing"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_protocol_that_cannot_be_read_as_data(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path, TENSORS, pickle_protocol=4, _use_new_zipfile_serialization=zipped)
    assert "pickle protocol" in refusal(path)


def test_a_whole_model_is_refused(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, torch.nn.Sequential(torch.nn.Linear(3, 2))))
    assert "whole pickled model (torch.nn.modules.container.Sequential)" in message
    assert "state_dict" in message


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), path)
    assert "TorchScript program" in refusal(path)


def test_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.pt")


def test_folder(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_not_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe.pt"
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_unreadable_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, TENSORS, name)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    message = refusal(path)
    assert "cannot be read: Permission denied" in message


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    assert "is empty (0 bytes)" in refusal(path)


@pytest.mark.parametrize(
    ("name", "kind"), [("notes.safetensors", "safetensors"), ("notes.txt", "safetensors or PyTorch")]
)
def test_another_kind_of_file(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_text("These are my notes.")
    message = refusal(path)
    assert f"is not a {kind} file: it begins with b'These are my not'" in message
    assert ".safetensors" in message


def test_git_lfs_pointer(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    assert "git lfs pull" in refusal(path)


def test_zip_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, images=np.zeros(3))
    assert "not one that torch.save wrote" in refusal(path)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_truncated_file(tmp_path: Path, form: str, kept: float) -> None:
    if form == "safetensors":
        path = safetensors_file(tmp_path)
    else:
        path = saved(tmp_path, TENSORS, _use_new_zipfile_serialization=form == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "truncated or damaged" in refusal(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(["safetensors", "zip", "legacy"]),
    damage=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damage_never_escapes_as_another_error(
    tmp_path: Path, form: str, damage: list[tuple[int, int]]
) -> None:
    if form == "safetensors":
        path = safetensors_file(tmp_path)
    else:
        path = saved(tmp_path, TENSORS, _use_new_zipfile_serialization=form == "zip")
    content = bytearray(path.read_bytes())
    for place, value in damage:
        content[place % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        assert load_checkpoint(path).tensors


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, {"state_dict": {}}, {0: torch.ones(2, 2)}])
def test_no_tensors(tmp_path: Path, content: object) -> None:
    assert "holds no tensors" in refusal(saved(tmp_path, content))


@pytest.mark.parametrize(("content", "kind"), [([torch.ones(2, 2)], "list"), (torch.ones(2, 2), "Tensor")])
def test_tensors_without_names(tmp_path: Path, content: object, kind: str) -> None:
    assert f"holds a {kind}, expected tensors by name" in refusal(saved(tmp_path, content))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    weight = torch.ones(4, 3)
    weight[1, 2] = weight[0, 0] = value
    message = refusal(saved(tmp_path, {**TENSORS, "fc1.weight": weight}))
    assert "fc1.weight has 2 NaN or infinite values of 12" in message


def test_values_that_float32_cannot_hold(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, {"fc1.weight": torch.full((2, 2), 1e300, dtype=torch.float64)}))
    assert "fc1.weight has 4 NaN or infinite values of 4 in float32" in message


def test_integers_are_read_and_left_to_the_architecture(tmp_path: Path) -> None:
    tensors = load_checkpoint(saved(tmp_path, {"a": torch.ones(2, 2, dtype=torch.int8)})).tensors
    assert tensors["a"].dtype == torch.int8


def test_tensors_without_dense_values(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, {"fc1.weight": torch.eye(3).to_sparse()}))
    assert "fc1.weight is stored as torch.sparse_coo, expected a dense tensor" in message
    message = refusal(saved(tmp_path, {"fc1.weight": torch.ones(2, 2, device="meta")}))
    assert "fc1.weight has no values (meta)" in message
