"""Tables as text, and every complaint about them."""

from pathlib import Path

import numpy as np
import pytest

from audit.dataset.load import load_samples
from audit.model.modality import ROWS
from tests.dataset.support import complaint, text


def test_a_table_as_text(tmp_path: Path) -> None:
    found = load_samples(text(tmp_path, "\ufeffage, income,label,height", "34,1e3,1,1.5", '"51",-2,0,1', ""))
    assert found.columns == ("age", "income", "height")
    assert found.values.tolist() == [[34.0, 1000.0, 1.5], [51.0, -2.0, 1.0]]
    assert found.values.dtype == np.float32
    assert found.labels.tolist() == [1, 0]
    assert found.shape == (3,)
    assert found.ids == ("0", "1")
    assert found.modality is ROWS


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
        (["a,label", "1,0", "1,3e9"], ["line 3, column 'label'", "is 3e+09, expected a class index"]),
        (["a,label", "1,0", "1,-1"], ["label -1", "negative"]),
    ],
)
def test_bad_text_is_refused(tmp_path: Path, lines, parts) -> None:
    spec = text(tmp_path, *lines)
    message = complaint(spec)
    assert spec in message
    for part in parts:
        assert part in message


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_bytes(b"a,b\n1,\xff\n")
    assert "not text in UTF-8" in complaint(tmp_path / "set.csv")


def test_a_column_of_real_numbers_holds_targets_of_a_regression(tmp_path: Path) -> None:
    found = load_samples(text(tmp_path, "a,label", "1,0", "2,.5"))
    assert found.labels is None
    assert found.targets is not None
    assert found.targets.tolist() == [0.0, 0.5]
