"""Reports of schema version 1, as model-audit 0.1 wrote them, in the fields of version 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.model.modality import Source

_SAMPLE = {"exposure": "contribution", "exposure_rank": "contribution_rank", "ceiling": "attainable"}
_SPLITTING = {"ssim_before": "similarity_before", "ssim_after": "similarity_after"}


def upgrade(content: Any) -> Any:
    """Rewrite the JSON of a report of version 1 in the fields of version 2; return anything else as it is.

    Numbers and sentences stay as they were written. What is missing or malformed is left for the validation of the
    report to name.
    """
    if not isinstance(content, dict) or content.get("schema_version") != 1:
        return content
    summary = content.get("summary")
    parts: dict[str, Callable[[Any], Any]] = {
        "diagnostics": _diagnostics,
        "attacks": lambda attacks: _each(attacks, _attack),
        "samples": lambda samples: _each(samples, _sample),
        "controls": lambda controls: _each(controls, _sample),
    }
    changed = {name: change(content[name]) for name, change in parts.items() if name in content}
    changed |= {"schema_version": 2, "modality": "image"}
    if isinstance(summary, dict):
        changed["modality"] = "row" if summary.get("metric") == "correlation" else "image"
        changed["summary"] = {name: value for name, value in summary.items() if name != "metric"}
    return content | changed


def _each(parts: Any, change: Any) -> Any:
    return [change(part) for part in parts] if isinstance(parts, list) else parts


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    return {names.get(name, name): value for name, value in part.items()} if isinstance(part, dict) else part


def _source(words: object) -> Source:
    """Which of the three sources a phrase of version 1 names, such as `the change of the weights`."""
    text = str(words)
    if "observed" in text:
        return "gradient"
    return "change" if "change" in text or "initial" in text else "weights"


def _subject(part: Any) -> Any:
    """Replace the phrase `of`, by its source; what has none is of the weights."""
    if not isinstance(part, dict):
        return part
    return {name: value for name, value in part.items() if name != "of"} | {"source": _source(part.get("of"))}


def _diagnostics(found: Any) -> Any:
    found = _renamed(found, {"exposure": "contribution", "ceiling": "attainable"})
    if not isinstance(found, dict):
        return found
    tensors = found.get("identifiability")
    parts: dict[str, Callable[[Any], Any]] = {
        "rank": _subject,
        "contribution": lambda fits: _each(fits, _subject),
        "attainable": lambda part: _renamed(part, {"of": "members"}),
        "identifiability": lambda _: (
            {name: _subject(part) for name, part in tensors.items()} if isinstance(tensors, dict) else tensors
        ),
        "positive_control": lambda part: _renamed(part, {"kind": "source"}),
    }
    return found | {name: change(found[name]) for name, change in parts.items() if name in found}


def _attack(attack: Any) -> Any:
    if not isinstance(attack, dict):
        return attack
    kept = {name: value for name, value in attack.items() if name != "used"}
    kept = _renamed(kept, {"source": "reference"}) | {"source": _source(attack.get("used", ""))}
    return kept | {"splitting": _renamed(kept.get("splitting"), _SPLITTING)}


def _sample(sample: Any) -> Any:
    """SSIM, which rows of a table had none of, becomes the similarity that the threshold is of."""
    if not isinstance(sample, dict):
        return sample
    kept = {name: value for name, value in sample.items() if name != "ssim"}
    similarity = sample.get("ncc") if sample.get("ssim") is None else sample["ssim"]
    return _renamed(kept, _SAMPLE) | {"similarity": similarity}
