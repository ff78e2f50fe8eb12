"""Targets: what is drawn, that training memorises, and the cache."""

import gzip
from pathlib import Path
from typing import Never

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from audit.diagnostics.training import log_loss, soft_margins
from audit.errors import DataError
from audit.model.architecture import infer_architecture
from audit.model.checkpoint import load_checkpoint
from tests.benchmarks import targets, training
from tests.benchmarks.stationarity import residual
from tests.benchmarks.targets import RECIPES, Recipe, prepare, split
from tests.benchmarks.training import train

TINY = Recipe("faces", 10, 20, 16, 1, learning_rate=0.01, steps=20, margin=100.0)


@pytest.fixture
def data_dir(tmp_path: Path):
    """The benchmark's files with noise for images; the first pixel of each tells its label."""
    generator = np.random.default_rng(0)
    digits = np.arange(1200, dtype=np.uint8) % 10
    images = generator.integers(0, 256, (1200, 28, 28), dtype=np.uint8)
    images[:, 0, 0] = digits
    with gzip.open(tmp_path / "t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(bytes(16) + images.tobytes())
    with gzip.open(tmp_path / "t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes(8) + digits.tobytes())
    colour = generator.integers(0, 256, (1200, 32, 32, 3), dtype=np.uint8)
    colour[:, 0, 0, 0] = digits
    np.savez(tmp_path / "cifar10_3k.npz", images=colour, labels=digits)
    return tmp_path


def rows(images):
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("name", RECIPES)
def test_splits_are_disjoint_balanced_and_seeded(name, data_dir) -> None:
    recipe = RECIPES[name]
    drawn, again, other = (split(recipe, data_dir, seed) for seed in (0, 0, 1))
    assert (len(drawn.members), len(drawn.controls)) == (recipe.members, recipe.controls)
    everything = rows(drawn.members) | rows(drawn.controls) | rows(drawn.public)
    assert len(everything) == recipe.members + recipe.controls + len(drawn.public)
    assert len(drawn.public) == len(drawn.public_labels)
    assert (len(drawn.public) > 0) == (recipe.public > 0)
    assert set(np.bincount(drawn.labels)) == {recipe.members // recipe.classes}
    assert np.array_equal(drawn.members, again.members)
    assert np.array_equal(drawn.labels, again.labels)
    assert np.array_equal(drawn.controls, again.controls)
    assert rows(drawn.members) != rows(other.members)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("mnist", lambda digit: digit % 2),
        ("mnist10", lambda digit: digit),
        ("mnist-tuned", lambda digit: digit),
        ("cifar", lambda digit: 0 if digit in (0, 1, 8, 9) else 1),
    ],
)
def test_labels_belong_to_their_images(name, label, data_dir) -> None:
    drawn = split(RECIPES[name], data_dir, 0)
    assert drawn.labels.tolist() == [label(int(digit)) for digit in drawn.members[:, 0, 0, 0]]


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar10_3k\.npz.*--data-dir"):
        split(RECIPES["cifar"], tmp_path, 0)


@pytest.mark.parametrize("outputs", [1, 3])
def test_training_goes_on_where_the_loss_underflows(outputs) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(9, 20, generator=generator)
    labels = torch.arange(9) % max(2, outputs)
    options = {"hidden": 30, "outputs": outputs, "rate": 0.003}
    weights = train(inputs, labels, most_steps=3000, margin=120.0, **options)
    hidden = torch.relu(inputs @ weights["fc1.weight"].T + weights["fc1.bias"])
    assert float(soft_margins(hidden @ weights["fc2.weight"].T, labels).min()) > 120
    short = train(inputs, labels, most_steps=5, margin=120.0, **options)
    again = train(inputs, labels, most_steps=5, margin=120.0, **options)
    assert torch.equal(short["fc1.weight"], again["fc1.weight"])


def test_the_soft_margin_gives_cross_entropy() -> None:
    outputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(6) % 4
    loss = torch.nn.functional.cross_entropy(outputs, labels, reduction="none")
    assert torch.allclose(torch.nn.functional.softplus(-soft_margins(outputs, labels)), loss)


@pytest.mark.parametrize("level", [-5.0, 3.0, 59.9, 60.1, 300.0])
def test_the_log_loss_is_exact_where_the_loss_is_not(level) -> None:
    margins = (level + torch.tensor([0.0, 0.5, 2.0])).requires_grad_()
    value = log_loss(margins)
    distant = np.asarray(margins.detach(), dtype=np.float64)
    logarithms = np.log(np.logaddexp(0, -distant)) if level < 40 else -distant
    assert float(value.detach()) == pytest.approx(np.logaddexp.reduce(logarithms), rel=1e-5)
    (gradient,) = torch.autograd.grad(value, margins)
    assert (gradient < 0).all()
    if level > 10:
        assert float(gradient.sum()) == pytest.approx(-1, abs=1e-4)


def test_a_target_is_built_once_and_can_be_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "faces", TINY)
    target = prepare("faces", cache=tmp_path)
    assert target.members.shape == (10, 625)
    assert target.controls.shape == (20, 625)
    assert np.abs(target.members.mean(axis=0)).max() < 1e-6
    assert target.training["smallest_margin"] < 1
    assert sorted(path.name for path in target.folder.iterdir()) == [
        "controls.npz",
        "mean.npy",
        "members.npz",
        "model.safetensors",
        "training.json",
    ]
    architecture = infer_architecture(load_checkpoint(target.checkpoint), None)
    assert (architecture.inputs, architecture.outputs, architecture.activation) == (625, 1, "relu")
    (weight_1, bias_1), (weight_2, bias_2) = target.layers()
    assert (weight_1.shape, bias_1.shape, weight_2.shape, bias_2) == ((16, 625), (16,), (1, 16), None)

    monkeypatch.setattr(targets, "train_network", lambda *a, **k: pytest.fail("trained again"))
    assert (target.initial, target.initial_layers()) == (None, None)
    again = prepare("faces", cache=tmp_path)
    assert again.folder == target.folder
    assert np.array_equal(again.members, target.members)


SHORT = {
    "delta": Recipe("faces", 10, 20, 16, 1, 0.05, 3_000, loss_below=1e-3, method="delta", loss="mse"),
    "decay": Recipe("faces", 10, 20, 16, 1, 0.05, 6_000, method="decay", loss="mse", weight_decay=1e-3),
    "adam": Recipe("faces", 10, 20, 16, 2, 0.0, 300, method="adam", hidden_layers=2, biases=True),
    "tuned": Recipe(
        "mnist", 10, 20, 16, 10, 0.1, 3_000, loss_below=0.1, method="tuned", biases=True, public=50
    ),
}


@pytest.mark.parametrize("method", SHORT)
def test_every_method_fits_its_members(
    method, data_dir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "ADAM_STEPS", 500)
    monkeypatch.setattr(training, "PRETRAINING_STEPS", 50)
    recipe = SHORT[method]
    monkeypatch.setitem(RECIPES, method, recipe)
    target = prepare(method, data_dir=data_dir, cache=tmp_path / "cache")
    assert target.training["smallest_margin"] > 0.5
    assert (target.loss, target.activation) == (recipe.loss, "relu")
    layers = target.layers()
    assert [bias is not None for _, bias in layers[1:]] == [recipe.biases] * recipe.hidden_layers
    if method in ("delta", "tuned"):
        before = target.initial_layers()
        assert load_file(target.initial).keys() == load_file(target.checkpoint).keys()
        inputs = torch.from_numpy(target.members)
        span = torch.linalg.qr(inputs.T)[0]
        change = layers[0][0] - before[0][0]
        assert (change - change @ span @ span.T).norm() < 1e-4 * change.norm()
    else:
        assert target.initial is None


def test_decay_ends_where_the_loss_is_stationary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ADAM_STEPS", 500)
    monkeypatch.setitem(RECIPES, "decay", SHORT["decay"])
    target = prepare("decay", cache=tmp_path)
    assert target.training["relative_residual"] < 0.1
    (weight, bias), (head, _) = target.layers()
    labels = torch.from_numpy(np.load(target.folder / "members.npz")["labels"])
    data = (torch.from_numpy(target.members), 2 * labels - 1, 1e-3)
    assert residual(1.5 * weight, bias, head[0], *data) > 0.3


def test_a_failed_training_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments, **options) -> Never:
        raise RuntimeError("out of memory")

    monkeypatch.setitem(RECIPES, "faces", TINY)
    monkeypatch.setattr(targets, "train_network", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        prepare("faces", cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
