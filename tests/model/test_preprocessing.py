from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audit.errors import UsageError
from audit.model.preprocessing import parse_preprocessing, parse_shape

COLOUR = (3, 2, 4)


def random_images(shape: tuple[int, int, int], count: int = 5) -> NDArray[np.float32]:
    channels, height, width = shape
    return np.random.default_rng(0).random((count, height, width, channels), dtype=np.float32)


def saved(folder: Path, array: NDArray[np.generic]) -> str:
    path = folder / "image.npy"
    np.save(path, array)
    return str(path)


def test_parse_shape() -> None:
    assert parse_shape("1,28,28") == (1, 28, 28)
    assert parse_shape("3, 32, 24") == (3, 32, 24)
    assert parse_shape("28,20") == (1, 28, 20)


@pytest.mark.parametrize(
    "text", ["", "784", "1,2,3,4", "1,28,x", "1,28,-28", "1,0,28", "1.5,2,2", "1,,28", "1,9999999,9999999"]
)
def test_parse_shape_refuses_nonsense(text: str) -> None:
    with pytest.raises(UsageError, match="--input-shape") as raised:
        parse_shape(text)
    assert f'"{text}"' in str(raised.value)


@given(st.tuples(*[st.integers(1, 400)] * 3))
def test_parse_shape_reads_what_is_written(shape: tuple[int, int, int]) -> None:
    assert parse_shape(",".join(map(str, shape))) == shape


def test_network_inputs_are_flattened_as_torch_does() -> None:
    import torch

    images = random_images(COLOUR)
    expected = torch.nn.Flatten()(torch.from_numpy(images).permute(0, 3, 1, 2))
    found = parse_preprocessing(COLOUR, None, None).normalise(images)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.numpy())


def test_normalisation_per_channel() -> None:
    images = random_images(COLOUR)
    found = parse_preprocessing(COLOUR, "0.1,0.2,0.3", "0.5,1,2").normalise(images)
    by_hand = ((images - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]).transpose(0, 3, 1, 2).reshape(5, -1)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("mean", "std"), [(None, None), ("0.5", "0.25"), ("0.49,0.48,0.45", "0.2,0.3,0.4")])
def test_pixels_come_back(mean: str | None, std: str | None) -> None:
    images = random_images(COLOUR)
    image_format = parse_preprocessing(COLOUR, mean, std)
    back = image_format.denormalise(image_format.normalise(images))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, images, atol=1e-6)


def test_pixels_are_not_clipped() -> None:
    pixels = parse_preprocessing((1, 1, 2), "0.5", "0.5").denormalise(
        np.array([[3.0, -3.0]], dtype=np.float32)
    )
    np.testing.assert_allclose(pixels.reshape(-1), [2.0, -1.0])


def test_box_is_the_image_of_the_pixels() -> None:
    image_format = parse_preprocessing((1, 2, 2), "0.5", "0.25")
    low, high = image_format.box()
    np.testing.assert_allclose(low, [-2.0] * 4)
    np.testing.assert_allclose(high, [2.0] * 4)
    assert low.dtype == high.dtype == np.float32
    corners = image_format.normalise(np.stack([np.zeros((2, 2, 1)), np.ones((2, 2, 1))]).astype(np.float32))
    np.testing.assert_allclose(corners, np.stack([low, high]))


def test_images_of_another_layout_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2, 4\), expected \(2, 4, 3\)"):
        parse_preprocessing(COLOUR, None, None).normalise(np.zeros((5, *COLOUR), dtype=np.float32))


def test_defaults_leave_pixels_as_they_are() -> None:
    image_format = parse_preprocessing((1, 2, 2), None, None)
    assert image_format.size == 4
    np.testing.assert_array_equal(image_format.mean, np.zeros(4))
    np.testing.assert_array_equal(image_format.std, np.ones(4))


def test_mean_from_an_image_file(tmp_path: Path) -> None:
    image = random_images(COLOUR, 1)[0]
    found = parse_preprocessing(COLOUR, saved(tmp_path, image), None).mean
    np.testing.assert_array_equal(found, image.transpose(2, 0, 1).reshape(-1))


def test_mean_from_a_grey_image_file(tmp_path: Path) -> None:
    image = random_images((1, 3, 2), 1)[0]
    for array in (image, image[..., 0], image.astype(np.float64)):
        found = parse_preprocessing((1, 3, 2), saved(tmp_path, array), None).mean
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, image.reshape(-1))


def test_std_from_a_vector_in_network_order(tmp_path: Path) -> None:
    vector = np.linspace(0.5, 1.5, 24)
    np.testing.assert_allclose(
        parse_preprocessing(COLOUR, None, saved(tmp_path, vector)).std, vector, rtol=1e-6
    )


def refusal(shape: tuple[int, int, int], mean: str | None, std: str | None) -> str:
    with pytest.raises(UsageError) as raised:
        parse_preprocessing(shape, mean, std)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("std", ["0", "-1", "0.5,0,0.5", "1e-60"])
def test_std_must_be_positive(std: str) -> None:
    message = refusal(COLOUR, None, std)
    assert f"--std {std}" in message
    assert "expected positive" in message


@pytest.mark.parametrize("word", ["nan", "inf", "0.5,nan,0.5", "1e60"])
def test_values_must_be_finite(word: str) -> None:
    assert f"--mean {word} has values that are NaN or infinite" in refusal(COLOUR, word, None)
    assert f"--std {word} has values that are NaN or infinite" in refusal(COLOUR, None, word)


def test_means_of_bytes_are_refused() -> None:
    message = refusal(COLOUR, "123.7,116.3,103.5", "58.4,57.1,57.4")
    assert "reaches 123.7" in message
    assert "by 255" in message


def test_wrong_number_of_values_shows_both() -> None:
    message = refusal(COLOUR, "0.5,0.5", None)
    assert "--mean gives 2 values" in message
    assert "--input-shape 3,2,4 has 3 channels" in message


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 4), (3,), (25,), ()])
def test_wrong_shape_of_file_shows_both(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path, np.full(shape, 0.5))
    message = refusal(COLOUR, path, None)
    assert path in message
    assert f"has shape {shape}, --input-shape 3,2,4 takes (2, 4, 3)" in message


def test_file_that_does_not_exist(tmp_path: Path) -> None:
    message = refusal(COLOUR, None, str(tmp_path / "std.npy"))
    assert "neither numbers nor a file that can be read (No such file or directory)" in message


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00v\x00{"])
def test_file_that_is_not_an_array(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mean.npy"
    path.write_bytes(content)
    message = refusal(COLOUR, str(path), None)
    assert f"{path} is not a .npy file of numbers" in message


def test_file_of_objects_or_words(tmp_path: Path) -> None:
    assert "not a .npy file of numbers" in refusal(COLOUR, saved(tmp_path, np.array([None, {}])), None)
    assert "expected real numbers" in refusal(COLOUR, saved(tmp_path, np.array(["0.5"] * 24)), None)


def test_columns_have_their_own_mean_and_std(tmp_path: Path) -> None:
    std = np.array([1.0, 10.0, 0.5])
    np.save(tmp_path / "std.npy", std)
    fmt = parse_preprocessing((3,), "1,2,3", str(tmp_path / "std.npy"))
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


def test_a_network_that_takes_pixels_one_by_one() -> None:
    images, size = random_images(COLOUR), int(np.prod(COLOUR))
    by_pixels = parse_preprocessing(COLOUR, "0.1,0.2,0.3", "0.5,1,2", "hwc")
    by_channels = parse_preprocessing(COLOUR, "0.1,0.2,0.3", "0.5,1,2")
    assert by_channels.columns is None
    columns = by_pixels.columns
    assert columns is not None
    np.testing.assert_array_equal(np.sort(columns), np.arange(size))
    inputs = by_pixels.normalise(images)
    np.testing.assert_array_equal(inputs, by_channels.normalise(images))
    taken = ((images - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]).reshape(len(images), size)
    np.testing.assert_allclose(inputs, taken[:, columns], rtol=1e-5, atol=1e-6)


def test_a_vector_is_in_the_order_of_the_network(tmp_path: Path) -> None:
    channels, height, width = COLOUR
    image = np.arange(channels * height * width, dtype=np.float32).reshape(height, width, channels) / 100
    whole = parse_preprocessing(COLOUR, saved(tmp_path, image), None, "hwc").mean
    vector = parse_preprocessing(COLOUR, saved(tmp_path, image.reshape(-1)), None, "hwc").mean
    np.testing.assert_array_equal(whole, vector)
