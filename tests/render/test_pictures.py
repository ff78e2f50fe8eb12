import base64
import io

import numpy as np
import pytest
from PIL import Image

from audit.render.pictures import BUDGET, cards, png
from tests.report.factory import as_table, make_evidence, make_report, make_rows


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize(
    ("shape", "mode", "size"),
    [((4, 6, 1), "L", (6, 4)), ((4, 6, 3), "RGB", (6, 4)), ((192, 96, 1), "L", (48, 96))],
)
def test_an_image_becomes_a_small_png(shape: tuple[int, ...], mode: str, size: tuple[int, int]) -> None:
    picture = decoded(png(np.full(shape, 0.5)))
    assert (picture.mode, picture.size) == (mode, size)


def test_values_out_of_range_are_clipped_and_what_is_missing_is_black() -> None:
    row = np.array([[-1.0, np.nan, 0.5, 2.0]])[..., None]
    assert np.asarray(decoded(png(row)))[0].tolist() == [0, 0, 128, 255]


def test_cards_come_best_first_within_the_budget() -> None:
    report = make_report()
    made = cards(report, make_evidence(report))
    assert [card.index for card in made.cards] == [0, 1, 2, 3, 4]
    assert made.remarks == []
    assert sum(len(picture.source or "") for card in made.cards for picture in card.pictures) < BUDGET


def test_a_redacted_report_has_cards_without_pictures_and_a_table_none() -> None:
    report = make_report(redacted=True)
    assert {picture.source for card in cards(report, []).cards for picture in card.pictures} == {None}
    table = as_table(make_report())
    assert cards(table, make_rows(table)).cards == []
