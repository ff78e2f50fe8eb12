from pathlib import Path
from typing import Any

import pytest

from audit.cli.config import load_config
from audit.errors import ConfigError


def load(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "audit.yaml"
    path.write_text(text)
    return dict(load_config(path))


def test_an_empty_mapping_says_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "{}") == {}


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    keys = (
        "checkpoint",
        "data",
        "controls",
        "initial",
        "gradient",
        "policy",
        "mean",
        "std",
        "out",
        "data-root",
    )
    text = "".join(f"{name}: a/{name}.x\n" for name in keys)
    assert load(Path("models"), text) == {key.replace("-", "_"): f"models/a/{key}.x" for key in keys}
    assert load(Path(), text) == {key.replace("-", "_"): f"a/{key}.x" for key in keys}
    assert load(Path("models"), "data: /elsewhere/a.npz\nout: ../out") == {
        "data": "/elsewhere/a.npz",
        "out": "models/../out",
    }


@pytest.mark.parametrize(
    "line",
    [
        "data: mnist:train[:500]",
        "controls: CIFAR10:test",
        "policy: strict",
        "policy: relaese",
        "mean: '0.49,0.48,0.45'",
        "std: 1e-3",
        "data: ''",
    ],
)
def test_what_is_no_path_stays_as_it_is(tmp_path: Path, line: str) -> None:
    name, _, value = line.partition(": ")
    assert load(tmp_path, line) == {name: value.strip("'")}


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("attacks: [kkt-margin, kkt-loss]", {"attacks": "kkt-margin,kkt-loss"}),
        ("input-shape: [1, 28, 28]", {"input_shape": "1,28,28"}),
        ("input-shape: 1,28,28", {"input_shape": "1,28,28"}),
        ("dp: [1.1, 1e-3, 100]", {"dp": "1.1,0.001,100"}),
        ("mean: 0.5", {"mean": "0.5"}),
        ("mean: [0.49, 0.48, 0.45]", {"mean": "0.49,0.48,0.45"}),
        ("budget: 10m", {"budget": "10m"}),
        ("learning-rate: 1e-3", {"learning_rate": 0.001}),
        ("threshold: 1", {"threshold": 1.0}),
        ("format: [html, json]", {"format": ["html", "json"]}),
        ("format: html, json", {"format": ["html", "json"]}),
        ("no-splitting: true", {"no_splitting": True}),
        ("progress: false", {"progress": False}),
    ],
)
def test_values_as_users_write_them(tmp_path: Path, line: str, read: dict[str, Any]) -> None:
    assert load(tmp_path, line) == read


def test_a_format_with_a_path_of_its_own(tmp_path: Path) -> None:
    assert load(tmp_path, "format: [html, sarif=a/b.sarif]") == {
        "format": ["html", f"sarif={tmp_path}/a/b.sarif"]
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("input_shape: 1,28,28", ["unknown key 'input_shape'", "did you mean 'input-shape'?"]),
        ("--budget: 1m", ["unknown key '--budget'", "did you mean 'budget'?"]),
        ("seed: x\nthresold: 1", ["unknown key 'thresold'", "did you mean 'threshold'?"]),
        ("config: audit.yaml", ["unknown key 'config'"]),
        ("1: 2", ["unknown key '1'"]),
        ("seed: one", ["seed is 'one': input should be a valid integer"]),
        ("seed: true", ["seed is True"]),
        ("mean: true", ["mean is True", "valid string or", "valid number"]),
        ("no-splitting: 1", ["no-splitting is 1: input should be a valid boolean"]),
        ("attacks: [1]", ["attacks is [1]"]),
        ("controls:", ["controls has no value", "leave the key out"]),
        ("seed: 1\nseed: 2", ["audit.yaml:2: not valid YAML: the key 'seed' is given twice"]),
        ("seed: [", ["audit.yaml:1: not valid YAML"]),
        ("", ["and this is empty", "model-audit init"]),
        ("- seed", ["and this is a list"]),
    ],
)
def test_what_is_no_config(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path}/audit.yaml")
    for word in words:
        assert word in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)
    (tmp_path / "audit.yaml").write_bytes(b"data: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "audit.yaml")
