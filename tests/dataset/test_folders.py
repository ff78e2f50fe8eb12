"""Images in folders, and every complaint about them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.dataset.load import load_samples
from tests.dataset.support import complaint, forbid, picture, pixels


def test_flat_folder(tmp_path: Path) -> None:
    raw = pixels(3)
    for name, array in zip(("b.png", "a.PNG", "c.bmp"), raw, strict=True):
        picture(tmp_path / name, array)
    (tmp_path / ".hidden.png").write_text("not an image")
    (tmp_path / "notes.txt").write_text("not an image")
    found = load_samples(str(tmp_path))
    assert found.ids == ("a.PNG", "b.png", "c.bmp")
    assert found.labels is None
    assert found.values[..., 0] == pytest.approx(raw[[1, 0, 2]] / 255.0)


def test_sub_folders_are_labels_in_sorted_order(tmp_path: Path) -> None:
    for number, name in enumerate(("dog/2.png", "cat/1.png", "dog/1.png")):
        picture(tmp_path / name, pixels(3)[number])
    (tmp_path / ".git").mkdir()
    found = load_samples(str(tmp_path))
    assert found.ids == ("cat/1.png", "dog/1.png", "dog/2.png")
    assert found.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("mode", "suffix", "channels"),
    [
        ("1", "png", 1),
        ("L", "jpg", 1),
        ("LA", "png", 2),
        ("P", "png", 3),
        ("P", "gif", 3),
        ("RGB", "webp", 3),
        ("RGBA", "png", 4),
        ("CMYK", "jpg", 3),
        ("I;16", "png", 1),
        ("I;16", "tif", 1),
    ],
)
def test_kinds_of_images(tmp_path: Path, mode, suffix, channels) -> None:
    Image.new(mode, (5, 4)).save(tmp_path / f"a.{suffix}")
    assert load_samples(str(tmp_path)).values.shape == (1, 4, 5, channels)


def test_white_is_one_at_every_depth(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", np.full((3, 3), 255, np.uint8))
    picture(tmp_path / "b.png", np.full((3, 3), 65535, np.uint16))
    Image.new("1", (3, 3), 1).save(tmp_path / "c.png")
    assert (load_samples(str(tmp_path)).values == 1.0).all()


def test_images_of_several_sizes_name_the_first_odd_one(tmp_path: Path) -> None:
    for name, shape in (("a.png", (4, 4)), ("b.png", (4, 4)), ("c.png", (4, 5)), ("d.png", (6, 6))):
        picture(tmp_path / name, pixels(1, shape)[0])
    message = complaint(tmp_path)
    assert "c.png is 4 x 5 x 1" in message
    assert "a.png is 4 x 4 x 1" in message


def test_images_of_several_channel_numbers(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", pixels(1, (4, 4))[0])
    picture(tmp_path / "b.png", pixels(1, (4, 4, 3))[0])
    assert "b.png is 4 x 4 x 3" in complaint(tmp_path)


def test_unreadable_images_are_never_skipped(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", pixels(1)[0])
    picture(tmp_path / "b.png", pixels(1, (60, 60))[0])
    whole = (tmp_path / "b.png").read_bytes()
    for content in (b"", b"text", whole[:30], whole[: len(whole) // 2]):
        (tmp_path / "b.png").write_bytes(content)
        message = complaint(tmp_path)
        assert "b.png cannot be read" in message
        assert "replace or remove the file" in message


def test_a_dangling_link_is_never_skipped(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", pixels(1)[0])
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    assert "b.png cannot be read" in complaint(tmp_path)


def test_a_film_is_refused(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 90, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert "a.gif holds 3 frames" in complaint(tmp_path)


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.tif", np.zeros((4, 4), np.float32))
    assert "float32 pixels (mode F)" in complaint(tmp_path)


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    assert "holds no images" in complaint(tmp_path)


def test_images_beside_sub_folders_are_ambiguous(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", pixels(1)[0])
    picture(tmp_path / "cat" / "b.png", pixels(1)[0])
    message = complaint(tmp_path)
    assert "both images (a.png) and sub-folders (cat)" in message


def test_a_label_without_images_would_shift_the_numbers(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "b.png", pixels(1)[0])
    (tmp_path / "extra").mkdir()
    message = complaint(tmp_path)
    assert "extra holds no images" in message


def test_folders_below_a_label_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "b.png", pixels(1)[0])
    picture(tmp_path / "cat" / "kitten" / "c.png", pixels(1)[0])
    assert "holds the folder kitten" in complaint(tmp_path)


@pytest.mark.parametrize("method", ["iterdir", "is_dir"])
def test_folders_one_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method) -> None:
    picture(tmp_path / "locked" / "b.png", pixels(1)[0])
    monkeypatch.setattr(Path, method, forbid(getattr(Path, method), "locked"))
    assert "locked cannot be read (Permission denied)" in complaint(tmp_path / "locked")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_the_file_system_locks(tmp_path: Path) -> None:
    picture(tmp_path / "locked" / "b.png", pixels(1)[0])
    (tmp_path / "locked").chmod(0)
    message = complaint(tmp_path / "locked")
    (tmp_path / "locked").chmod(0o700)
    assert "locked cannot be read (Permission denied)" in message
