"""The types that all parts of a report are made of."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite_points(points: Any) -> Any:
    return [point for point in points if math.isfinite(point[1])]


Measured = Annotated[float | None, BeforeValidator(_finite)]
"""A number that may have diverged: what is not finite is read as None."""
Curve = Annotated[list[tuple[int, float]], BeforeValidator(_finite_points)]
"""Points (step, value); those that are not finite are left out."""


class Part(BaseModel):
    """A part of a report. JSON has no NaN: a report that held one could be written but not read back."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
