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


def without_pictures(page: str) -> str:
    """Replace plots and images, which depend on the versions of matplotlib and Pillow, by their names."""
    page = re.sub(r"<svg[^>]*><title>(.*?)</title>.*?</svg>", r"[plot: \1]", page, flags=re.DOTALL)
    return re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "[image]", page)
