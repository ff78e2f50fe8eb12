"""Golden files: what the renderers wrote when somebody last looked at it and agreed.

After a wanted change, run `UPDATE_GOLDEN=1 python -m pytest tests/report tests/render`, and read
the difference in git.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare text with a golden file, or write the file when UPDATE_GOLDEN is set."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} differs: see tests/report/golden.py"


def words_of(page: str) -> str:
    """Take out of a page what would hide a changed word: style, script and its hash, plots and images.

    Plots and images depend on the versions of matplotlib and Pillow as well; their names stay.
    """
    page = re.sub(r"<(style|script)>.*?</\1>", r"[\1]", page, flags=re.DOTALL)
    page = re.sub(r"'sha256-[^']*'", "[hash]", page)
    page = re.sub(r"<svg[^>]*><title>(.*?)</title>.*?</svg>", r"[plot: \1]", page, flags=re.DOTALL)
    return re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "[image]", page)
