"""Images and rows of a table."""

from audit.model.modality import IMAGES, MODALITIES, ROWS


def test_there_are_two_by_the_names_of_their_measures() -> None:
    assert {"ssim": IMAGES, "correlation": ROWS} == MODALITIES
    assert (IMAGES.name, IMAGES.similarity, IMAGES.threshold) == ("image", "SSIM", 0.4)
    assert (ROWS.name, ROWS.similarity, ROWS.threshold) == ("row", "correlation", 0.8)


def test_conventions_are_one_line_each() -> None:
    assert "7x7 uniform window" in IMAGES.convention
    assert "\n" not in IMAGES.convention + ROWS.convention
