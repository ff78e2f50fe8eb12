"""Tensors as PyTorch saves them, and every complaint about them."""

from pathlib import Path

import pytest
import torch

from audit.dataset.load import load_samples
from tests.dataset.support import complaint, pixels, saved


@pytest.mark.parametrize("lengths", [(6, 5, 7), (6, 1, 5, 7), (6, 5, 7, 1)])
def test_grey_tensors_in_every_layout(tmp_path: Path, lengths) -> None:
    raw = pixels(6, (5, 7))
    found = load_samples(saved(tmp_path, torch.from_numpy(raw.reshape(lengths))))
    assert found.values[..., 0] == pytest.approx(raw / 255.0)
    assert found.ids == ("0", "1", "2", "3", "4", "5")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_colour_as_pytorch_keeps_it(tmp_path: Path, dtype) -> None:
    images = torch.rand(3, 3, 6, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = load_samples(saved(tmp_path, images.requires_grad_()))
    assert found.values.shape == (3, 6, 5, 3)
    assert found.values == pytest.approx(images.detach().float().permute(0, 2, 3, 1).numpy())


def test_labels_beside_tensors(tmp_path: Path) -> None:
    images, labels = torch.rand(3, 5, 5), torch.tensor([2, 0, 1])
    contents = [(images, labels), [images, labels], {"images": images, "labels": labels}]
    for content in contents:
        assert load_samples(saved(tmp_path, content)).labels.tolist() == [2, 0, 1]
    assert load_samples(saved(tmp_path, {"images": images}, "set.pth")).labels is None


def test_an_ambiguous_layout_is_decided_by_the_input_shape(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 5, 4)
    spec = saved(tmp_path, images)
    message = complaint(spec)
    assert "(2, 3, 5, 4), which can be read with the channels first or last" in message
    assert "--input-shape C,H,W" in message
    assert load_samples(spec, shape=(3, 5, 4)).values.shape == (2, 5, 4, 3)
    assert load_samples(spec, shape=(4, 3, 5)).values.shape == (2, 3, 5, 4)
    assert "another --input-shape" in complaint(spec, shape=(1, 28, 28))
    odd = saved(tmp_path, torch.rand(2, 5, 6, 7), "odd.pt")
    assert "none of them 1, 3 or 4 channels" in complaint(odd)
    assert load_samples(odd, shape=(5, 6, 7)).values.shape == (2, 6, 7, 5)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"x": torch.rand(2, 5, 5)}, "no array 'images' or 'features', only x"),
        ({}, "only none at all"),
        ({"images": torch.rand(2, 5, 5), "features": torch.rand(2, 5)}, "both 'images' and 'features'"),
        ("text", "holds a str, expected a dense tensor"),
        ({"images": [1, 2]}, "holds a list"),
        (torch.rand(2, 5, 5).to_sparse(), "tensor stored as torch.sparse_coo"),
        (torch.rand(2, 5, 5, device="meta"), "expected a dense tensor"),
        ((torch.rand(2, 5, 5), torch.tensor([0.5, torch.nan])), "labels of"),
        (torch.rand(2, 5, 5) * 255, "divide them by 255"),
        (torch.zeros(2, 5, 5, dtype=torch.int64), "type int64, expected uint8 or float"),
        ({"images": torch.rand(2, 20)}, "pass --input-shape"),
        ({"features": torch.rand(2, 5, 5)}, "features of"),
    ],
)
def test_bad_tensors_are_refused(tmp_path: Path, content, part) -> None:
    assert part in complaint(saved(tmp_path, content))


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    message = complaint(saved(tmp_path, {"images": Trap()}))
    assert "would run code" in message
    assert "torch.save({'images': x, 'labels': y}, file)" in message
    (tmp_path / "bad.pt").write_bytes(b"")
    assert "empty" in complaint(tmp_path / "bad.pt")
    whole = Path(saved(tmp_path, torch.rand(9, 9, 9))).read_bytes()
    (tmp_path / "bad.pt").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in complaint(tmp_path / "bad.pt")
