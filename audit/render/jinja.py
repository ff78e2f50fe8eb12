"""Where the templates of reports lie, and what all of them may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from audit import words
from audit.render.sentences import repeat

LOADER = jinja2.FileSystemLoader(Path(__file__).parent / "templates")


def environment(finalize: Callable[[Any], Any] | None = None) -> jinja2.Environment:
    """Prepare for HTML, which is escaped, or with `finalize` for another language, which that escapes."""
    made = jinja2.Environment(
        loader=LOADER,
        autoescape=finalize is None,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": words.number,
        "significant": words.significant,
        "percent": words.percent,
        "duration": words.duration,
        "sentence": words.sentence,
        "work": repeat.work,
        "repeatable": repeat.repeatable,
    }
    return made
