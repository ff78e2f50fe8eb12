"""What speaks against a reading, in words: the one thing to do first, then the numbers, then what was assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from audit.render.sentences.reading import phrase
from audit.report.reading import Assumption, ChangeKind, Reading
from audit.words import number, percent, plural, share, significant


def misread(
    cause: str,
    members: int,
    right: int | None,
    majority: float | None,
    correlation: float | None,
    controls: int,
    controls_right: int | None,
    change: ChangeKind | None,
    value: str,
    tried_on: int,
    mended: int | None,
    tried: int,
    attack: str,
    reached: float | None,
    true: float | None,
    off: int | None,
    columns: int | None,
    assumed: Sequence[str],
) -> str:
    """Say what speaks against a reading, and the one thing to do; then what was assumed."""
    if cause == "change" and change is not None:
        then = (
            _KNOWN[correlation is not None]
            if right is None
            else _mended(tried_on, right, members, mended or 0)
        )
        said = f"The network was misread: {remedy(change, value)}. {then}"
    elif cause == "exchanged":
        said = (
            f"Members and controls seem exchanged: exchange --data and --controls. The network gets {right} of "
            f"{plural(members, 'member')} right, and {controls_right} of {plural(controls, 'control')}."
        )
    elif cause == "elsewhere":
        said = (
            f"What was attacked holds other data than what was given: give the data of this training, as the "
            f"network takes it. {attack} explains all but {share(reached or 0.0)} without it, and it leaves "
            f"{share(true or 0.0)} open."
        )
    elif cause == "columns":
        said = (
            f"The columns are not normalised: pass --mean and --std of the training. After normalisation {off} of "
            f"{plural(columns or 0, 'column')} are far from a mean of 0 and a spread of 1."
        )
    elif cause == "uncorrelated":
        said = (
            f"The network as read hardly knows its training data: state how it takes its inputs. Its outputs at "
            f"{plural(members, 'member')} correlate with their targets by {number(correlation)} only; none of "
            f"{plural(tried, 'single change')} to the reading mends that."
        )
    else:
        said = (
            f"The network as read hardly knows its training data: state how it takes its inputs. It gets {right} "
            f"of {plural(members, 'member')} right, and always saying the most frequent label would get "
            f"{percent(majority or 0.0)}; none of {plural(tried, 'single change')} to the reading mends that."
        )
    return f"{said}{_assumed(assumed)}"


def unchecked(
    members: int,
    right: int | None,
    targets: bool,
    chance: float | None,
    controls: int,
    observed: str | None,
    assumed: Sequence[str],
) -> str:
    """Say why a reading could not be checked, and the one thing to do."""
    if observed is not None:
        said = (
            f"Whether the {observed} is of these samples, is not known: give those of its batch, as the network "
            f"takes them. They do not explain it."
        )
    elif targets:
        said = (
            f"Whether the network was read as it is, is not known: give more of its training data. Of "
            f"{plural(members, 'member')} with targets a correlation says little."
        )
    elif right is None:
        surer = " It is no surer of members than of controls." if controls else ""
        said = f"Whether the network was read as it is, is not known: give the labels of the training data.{surer}"
    else:
        said = (
            f"Whether the network was read as it is, is not known: give more of its training data. It gets {right} "
            f"of {plural(members, 'member')} right, as guessing does with a probability of {significant(chance)}."
        )
    return f"{said}{_assumed(assumed)}"


def hint(found: Reading) -> str:
    """Say which single change makes the network know its members better; empty where none does."""
    change = found.mended_by
    return (
        ""
        if change is None
        else f"It knows its members far better otherwise: {remedy(change.what, change.value)}."
    )


def remedy(change: ChangeKind, value: str) -> str:
    """Write a change as what the user has to do."""
    return _REMEDIES[change](value)


def _mended(tried_on: int, right: int, members: int, mended: int) -> str:
    if tried_on == members and mended > right:
        return f"It then gets {mended} of {plural(members, 'member')} right, and {right} as read."
    if mended / tried_on > right / members:
        then, now = percent(mended / tried_on), percent(right / members)
        return f"It then gets {then} of members right, and {now} as read."
    return "Its margins at the training data are then far more even, as training makes them."


def _assumed(assumed: Sequence[str]) -> str:
    """List assumptions, each as `what=value`."""
    if not assumed:
        return ""
    pairs = [one.partition("=") for one in assumed]
    known = [{"what": what, "value": value, "stated": False} for what, _, value in pairs]
    return f" Read as: {'; '.join(phrase(Assumption.model_validate(one)) for one in known)}."


_KNOWN: Mapping[bool, str] = {
    False: "It is then surer of members than of controls, and as sure of one member as of another.",
    True: "It then leaves at most half as much of the targets of members unexplained.",
}
"""What is better without labels, and with the targets of a regression."""
_NORMALISATIONS: Mapping[str, str] = {
    "none": "pass --mean 0 --std 1",
    "mean": "pass --std 1 with the same --mean",
    "std": "pass --mean 0 with the same --std",
    "swapped": "exchange --mean and --std",
    "own": "pass as --mean and --std those of the training data",
    "range": "pass as --mean the smallest value of every column, and as --std its largest less its smallest",
    "0..255": "pass --mean 0 --std 0.00392157, for pixels in 0 to 255",
    "-1..1": "pass --mean 0.5 --std 0.5, for pixels in -1 to 1",
    "inverted": "give the images inverted, dark for light",
    "stretched": "give the images with 8 bits for a pixel, whose values are stored as if they had 16",
}
_ORIENTATIONS: Mapping[str, str] = {
    "transposed": "transposed",
    "rotated 90": "rotated by 90 degrees",
    "rotated 180": "rotated by 180 degrees",
    "rotated 270": "rotated by 270 degrees",
    "mirrored": "mirrored left to right",
    "upside down": "mirrored top to bottom",
}
_SKIPS: Mapping[str, str] = {
    "layers": "around single layers",
    "pairs": "around pairs of layers",
    "pairs-linear-stem": "around pairs of layers, after a first one without activation",
    "pairs-activated": "around pairs of layers, with an activation after each",
}
_REMEDIES: Mapping[ChangeKind, Callable[[str], str]] = {
    "activation": lambda value: f"pass --activation {value}",
    "layout": lambda value: f"pass --layout {value}",
    "orientation": lambda value: f"give the images {_ORIENTATIONS[value]}",
    "channels": lambda _: "give the channels of the images in reverse order",
    "normalisation": lambda value: _NORMALISATIONS[value],
    "order": lambda value: f"pass --layers {value}",
    "skip": lambda value: f"it has skip connections {_SKIPS[value]}, and cannot be audited",
}
