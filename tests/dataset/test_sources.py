"""Tensors, tables and downloads: what is read, and every complaint a user can get."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from audit.dataset import check_disjoint, check_fits, load_samples
from audit.errors import DataError
from audit.model.modality import ROWS
from audit.model.preprocessing import Preprocessing, parse_preprocessing


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def saved(folder, content, name="set.pt"):
    torch.save(content, folder / name)
    return str(folder / name)


def text(folder, *lines, name="set.csv"):
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


def complaint(spec, **options):
    with pytest.raises(DataError) as caught:
        load_samples(str(spec), **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- tensors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(6, 5, 7), (6, 1, 5, 7), (6, 5, 7, 1)])
def test_grey_tensors_in_every_layout(tmp_path, lengths):
    raw = pixels(6, 5, 7)
    found = load_samples(saved(tmp_path, torch.from_numpy(raw.reshape(lengths))))
    assert found.values[..., 0] == pytest.approx(raw / 255.0)
    assert found.ids == ("0", "1", "2", "3", "4", "5")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_colour_as_pytorch_keeps_it(tmp_path, dtype):
    images = torch.rand(3, 3, 6, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = load_samples(saved(tmp_path, images.requires_grad_()))
    assert found.values.shape == (3, 6, 5, 3)
    assert found.values == pytest.approx(images.detach().float().permute(0, 2, 3, 1).numpy())


def test_labels_beside_tensors(tmp_path):
    images, labels = torch.rand(3, 5, 5), torch.tensor([2, 0, 1])
    contents = [(images, labels), [images, labels], {"images": images, "labels": labels}]
    for content in contents:
        assert load_samples(saved(tmp_path, content)).labels.tolist() == [2, 0, 1]
    assert load_samples(saved(tmp_path, {"images": images}, "set.pth")).labels is None


def test_an_ambiguous_layout_is_decided_by_the_input_shape(tmp_path):
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
        ((torch.rand(2, 5, 5), torch.tensor([0.5, 1.0])), "labels of"),
        (torch.rand(2, 5, 5) * 255, "divide them by 255"),
        (torch.zeros(2, 5, 5, dtype=torch.int64), "type int64, expected uint8 or float"),
        ({"images": torch.rand(2, 20)}, "pass --input-shape"),
        ({"features": torch.rand(2, 5, 5)}, "features of"),
    ],
)
def test_bad_tensors_are_refused(tmp_path, content, part):
    assert part in complaint(saved(tmp_path, content))


def test_a_pickle_is_never_run(tmp_path):
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


# --- tables -----------------------------------------------------------------------------------------------


def test_a_table_as_text(tmp_path):
    found = load_samples(text(tmp_path, "\ufeffage, income,label,height", "34,1e3,1,1.5", '"51",-2,0,1', ""))
    assert found.columns == ("age", "income", "height")
    assert found.values.tolist() == [[34.0, 1000.0, 1.5], [51.0, -2.0, 1.0]]
    assert found.values.dtype == np.float32
    assert found.labels.tolist() == [1, 0]
    assert found.shape == (3,)
    assert found.ids == ("0", "1")
    assert found.modality is ROWS


@pytest.mark.parametrize("kind", ["npz", "npy", "pt", "pair"])
def test_tables_as_arrays(tmp_path, kind):
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    path = tmp_path / f"set.{'pt' if kind == 'pair' else kind}"
    if kind == "npz":
        np.savez(path, features=rows, labels=np.arange(4))
    elif kind == "npy":
        np.save(path, rows)
    else:
        both = (torch.from_numpy(rows), torch.arange(4))
        torch.save(both if kind == "pair" else {"features": both[0]}, path)
    found = load_samples(str(path))
    assert (found.values == rows).all()
    assert found.columns[:2] == ("column 0", "column 1")
    assert (found.labels is None) == (kind in ("npy", "pt"))


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ([""], ["is empty, expected a header"]),
        (["1,2,3", "4,5,6"], ["no header: its first line is 1,2,3"]),
        (["a;b;c", "1;2;3"], ["semicolons"]),
        (["a,b,a", "1,2,3"], ["two columns named 'a'"]),
        (["label", "1"], ["labels and no other column"]),
        (["a,b"], ["a header and no rows"]),
        (["a,b", "1,2", "3"], ["line 3", "1 cells, the header has 2"]),
        (["a,b", "1,2", "3,4,5"], ["line 3", "3 cells, the header has 2"]),
        (["a,b", "1,2", "", "3,red"], ["line 4, column 'b'", "'red', expected a finite number"]),
        (["a,b", "1,", "3,4"], ["line 2, column 'b'", "is empty"]),
        (["a,b", "nan,2"], ["line 2, column 'a'", "'nan'"]),
        (["a,b", "1,1e39"], ["line 2, column 'b'", "'1e39'"]),
        (["a,label", "1,0", "1,.5"], ["line 3, column 'label'", "is 0.5, expected a class number"]),
        (["a,label", "1,0", "1,-1"], ["label -1", "negative"]),
    ],
)
def test_bad_text_is_refused(tmp_path, lines, parts):
    spec = text(tmp_path, *lines)
    message = complaint(spec)
    assert spec in message
    for part in parts:
        assert part in message


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "set.csv").write_bytes(b"a,b\n1,\xff\n")
    assert "not text in UTF-8" in complaint(tmp_path / "set.csv")


def test_rows_that_are_not_finite_are_refused(tmp_path):
    np.savez(tmp_path / "set.npz", features=np.array([[1.0, 2.0], [3.0, np.inf]]))
    assert "row 1, column 1" in complaint(tmp_path / "set.npz")
    np.savez(tmp_path / "set.npz", features=np.zeros((0, 3)))
    assert "is empty" in complaint(tmp_path / "set.npz")
    np.savez(tmp_path / "set.npz", features=np.array([["a", "b"]]))
    assert "expected numbers" in complaint(tmp_path / "set.npz")


def test_rows_are_images_where_the_input_shape_says_so(tmp_path):
    raw = pixels(5, 3, 4, 2)  # n, c, h, w
    np.savez(tmp_path / "set.npz", features=raw.reshape(5, -1))
    header = ",".join(f"p{place}" for place in range(24))
    lines = [",".join(map(str, row)) for row in raw.reshape(5, -1)]
    for spec in (str(tmp_path / "set.npz"), text(tmp_path, header, *lines)):
        found = load_samples(spec, shape=(3, 4, 2))
        assert found.values == pytest.approx(raw.transpose(0, 2, 3, 1) / 255.0)
        assert found.columns is None
        assert "24 values, --input-shape 1,28,28 takes 784" in complaint(spec, shape=(1, 28, 28))
    black = text(tmp_path, "a,b,c,d", "0,1,1,0")
    assert load_samples(black, shape=(1, 2, 2)).values.ravel().tolist() == [0.0, 1.0, 1.0, 0.0]


def test_rows_must_fit_the_network(tmp_path):
    rows = load_samples(text(tmp_path, "a,b,c", "1,2,3"))
    check_fits(rows, parse_preprocessing((3,), None, None))
    with pytest.raises(DataError, match="rows have 3 columns, but the network takes rows of 4 columns"):
        check_fits(rows, parse_preprocessing((4,), None, None))
    with pytest.raises(DataError, match=r"takes 1 x 1 x 3; pass --input-shape"):
        check_fits(rows, parse_preprocessing((1, 1, 3), None, None))
    np.savez(tmp_path / "set.npz", images=pixels(2, 3, 3))
    with pytest.raises(DataError, match=r"images are 1 x 3 x 3.*takes rows of 9 columns"):
        check_fits(load_samples(str(tmp_path / "set.npz")), parse_preprocessing((9,), None, None))


def test_shared_rows_are_named(tmp_path):
    members = load_samples(text(tmp_path, "a,b,c", "1,2,3", "-0.0,5,6"))
    check_disjoint(members, load_samples(text(tmp_path, "a,b,c", "1,2,4")))
    with pytest.raises(DataError, match=r"1 of the 2 controls.*row 1 of .* is row 1 of"):
        check_disjoint(members, load_samples(text(tmp_path, "a,b,c", "9,9,9", "0,5,6", name="b.csv")))


def test_columns_have_their_own_mean_and_std(tmp_path):
    std = np.array([1.0, 10.0, 0.5])
    np.save(tmp_path / "std.npy", std)
    fmt = parse_preprocessing((3,), "1,2,3", str(tmp_path / "std.npy"))
    assert isinstance(fmt, Preprocessing)
    rows = np.array([[2.0, 12.0, 3.5]], dtype=np.float32)
    assert fmt.normalise(rows).tolist() == [[1.0, 1.0, 1.0]]
    assert fmt.denormalise(fmt.normalise(rows)) == pytest.approx(rows)
    assert (
        parse_preprocessing((3,), "40", None).mean.tolist() == [40.0] * 3
    )  # no pixels: larger than 2 is usual
    with pytest.raises(Exception, match="2 values, the data has 3 columns"):
        parse_preprocessing((3,), "1,2", None)
    with pytest.raises(Exception, match=r"shape \(3,\), the data has 4 columns"):
        parse_preprocessing((4,), None, str(tmp_path / "std.npy"))


# --- downloads --------------------------------------------------------------------------------------------


class Stub:
    """Stands in for torchvision's MNIST: no network is needed, and what it was asked is remembered."""

    asked: list[bool]
    error: Exception | None

    def __init__(self, root, train, download):
        self.asked.append(download)
        print("downloading")
        if self.error is not None:
            raise self.error
        self.data, self.targets = pixels(4, 28, 28), torch.arange(4)


@pytest.fixture
def stub(monkeypatch):
    Stub.asked, Stub.error = [], None
    monkeypatch.setattr(torchvision.datasets, "MNIST", Stub)
    return Stub


def test_a_named_set_is_downloaded_only_when_asked(tmp_path, stub, capsys):
    load_samples("mnist:train[:2]", data_root=tmp_path)
    assert stub.asked == [False]
    assert len(load_samples("mnist:train[:2]", data_root=tmp_path, download=True)) == 2
    assert stub.asked == [False, True]
    out, err = capsys.readouterr()
    assert out == ""  # which is for the verdict
    assert "downloading" in err


@pytest.mark.parametrize(
    "error", [RuntimeError("first line\nsecond"), OSError(28, "No space left on device"), ValueError()]
)
def test_a_failing_download_is_one_line(tmp_path, stub, error):
    stub.error = error
    message = complaint("mnist:test", data_root=tmp_path, download=True)
    assert f"mnist:test could not be downloaded to {tmp_path}" in message
    assert "check the connection" in message
    assert "pass --download" in complaint("mnist:test", data_root=tmp_path)


def test_scan_and_inspect_pass_the_option_on(tmp_path, stub, monkeypatch):
    from safetensors.torch import save_file
    from typer.testing import CliRunner

    from audit.cli import app

    save_file({"a.weight": torch.rand(5, 784), "b.weight": torch.rand(1, 5)}, tmp_path / "model.safetensors")
    stub.error = OSError("no route to host")
    monkeypatch.setattr(sys, "argv", ["model-audit"])
    for command in ("scan", "inspect"):
        for extra in ([], ["--download"]):
            arguments = [command, str(tmp_path / "model.safetensors"), "--data", "mnist:train"]
            result = CliRunner().invoke(app, [*arguments, "--data-root", str(tmp_path), *extra])
            assert result.exit_code == 2
    assert stub.asked == [False, True, False, True]
