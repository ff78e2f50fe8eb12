"""Plots as inline SVG: text stays text, and colours are CSS variables, so that light and dark pages work.

Matplotlib draws; afterwards its stand-in colours become `var(--..)` and `currentColor`, and ids, fonts and
metadata that would differ between versions or collide within one page are dropped.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from audit.render.sentences import alt_text
from audit.render.sentences.sources import LAYERS
from audit.report.measured import Rank
from audit.report.outcomes import AttackReport

_INK, _MEMBER, _CONTROL, _FAINT = "#010203", "#010204", "#010205", "#010206"
_COLOURS = {
    _INK: "currentColor",
    _MEMBER: "var(--member)",
    _CONTROL: "var(--control)",
    _FAINT: "var(--faint)",
}
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.0,
}
_SIZE = (5.2, 2.7)
_DASHES = ("-", "--", ":", "-.")
_DECADES = 4
"""Of contributions that are shown."""


def similarity_histogram(
    members: Sequence[float], controls: Sequence[float], label: str, threshold: float | None = None
) -> str:
    """Shares of members (up) and of controls (down) over similarity.

    Parameters
    ----------
    members, controls:
        Best similarity of each; controls may be empty, members may not.
    label:
        Of the horizontal axis.
    threshold:
        Drawn as a line when given.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        known = [*members, *controls, *([] if threshold is None else [threshold])]
        edges = np.linspace(min(known), max(known) + 1e-6, 31)
        right = threshold is not None and threshold > (edges[0] + edges[-1]) / 2
        _opposed(axes, members, controls, edges, named="left" if right else "right")
        if threshold is not None:
            axes.axvline(threshold, color=_INK, linewidth=1.0, linestyle="--")
            axes.annotate(
                f"threshold {threshold:g}", (threshold, 1.0), xycoords=("data", "axes fraction"),
                xytext=(-4 if right else 4, 0), textcoords="offset points",
                ha="right" if right else "left", va="top",
            )  # fmt: skip
        axes.set_xlabel(label)
        description = alt_text.groups(members, controls, threshold)
        return _svg(figure, f"Histogram of {label}, members against controls", description)


def contribution_histogram(members: Sequence[float], controls: Sequence[float]) -> str:
    """Shares of members (up) and controls (down) over contribution, on a logarithmic scale; neither is empty."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        largest = max(*members, *controls) or 1.0
        edges = largest * np.logspace(-_DECADES, 0.01, 31)
        shown = [np.clip(values, edges[0], None).tolist() for values in (members, controls)]
        axes.set_xscale("log")
        _opposed(axes, shown[0], shown[1], edges)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.set_xlabel("contribution")
        description = alt_text.groups(members, controls)
        return _svg(figure, "Histogram of contribution, members against controls", description)


def _opposed(
    axes: Axes,
    members: Sequence[float],
    controls: Sequence[float],
    edges: NDArray[Any],
    named: Literal["left", "right"] = "right",
) -> None:
    """Histograms of members (up) and of controls (down), as shares, with their names at one side."""
    for values, name, colour, sign in (
        (members, "members", _MEMBER, 1),
        (controls, "controls", _CONTROL, -1),
    ):
        if values:
            share = np.histogram(values, edges)[0] / len(values)
            axes.stairs(sign * share, edges, fill=True, color=colour)
            axes.text(
                0.99 if named == "right" else 0.01,
                0.5 + 0.48 * sign,
                f"{name} ({len(values)})",
                color=colour,
                fontweight="bold",
                ha=named,
                va="top" if sign > 0 else "bottom",
                transform=axes.transAxes,
            )
    reach = 1.2 * max(map(abs, axes.get_ylim()))
    axes.set_ylim(-reach if controls else 0.0, reach)
    axes.axhline(0.0, color=_INK, linewidth=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(100 * value):.3g} %"))


def loss_curves(attacks: Sequence[AttackReport]) -> str:
    """Relative loss over steps, one line for each attack that has two points or more; empty when none has."""
    drawn = [attack for attack in attacks if sum(loss > 0.0 for _, loss in attack.history) > 1]
    if not drawn:
        return ""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        for index, attack in enumerate(drawn):
            steps, losses = zip(*[point for point in attack.history if point[1] > 0.0], strict=True)
            colour = (_MEMBER, _CONTROL)[index // len(_DASHES) % 2]
            axes.plot(steps, losses, color=colour, linestyle=_DASHES[index % len(_DASHES)], label=attack.id)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("step")
        axes.set_ylabel("relative loss")
        for text in axes.legend(frameon=False, loc="upper right").get_texts():
            text.set_parse_math(False)
        return _svg(figure, "Relative loss over steps", alt_text.curves(drawn))


def spectrum(rank: Rank) -> str:
    """Singular values with the edges of what is kept and of noise by itself; the far tail is left out."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        values = drawn(rank)
        place = np.arange(1, len(values) + 1)
        for part, colour in (
            (slice(None, rank.kept), _MEMBER),
            (slice(rank.kept, None), _FAINT),
        ):
            axes.plot(place[part], values[part], color=colour, marker=".", markersize=5, linestyle="none")
        lines = [(rank.edge, "edge", _INK, "--"), (rank.bulk_edge, "noise by itself", _CONTROL, ":")]
        for value, name, colour, dashes in lines:
            if value:
                label = f"{name} {value:.3g}"
                axes.axhline(value, color=colour, linewidth=1.0, linestyle=dashes, label=label)
        axes.legend(  # above the axes, where no point can be
            frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.0
        )
        axes.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:.3g}")
        axes.yaxis.set_major_formatter(plain)
        low, high = axes.get_ylim()
        axes.yaxis.set_minor_formatter(plain if high < 10 * low else NullFormatter())
        axes.set_xlabel("singular value, largest first")
        title = f"Singular values of {LAYERS[rank.source]}, {rank.kept} above the edge"
        return _svg(figure, title, alt_text.spectrum(rank))


def drawn(rank: Rank) -> list[float]:
    """Singular values that `spectrum` shows, largest first; zeros have no logarithm."""
    return [value for value in rank.singular_values[: max(4 * rank.kept, 60)] if value > 0]


def splitting_scatter(
    before: Sequence[float],
    after: Sequence[float],
    threshold: float,
    title: str = "SSIM of every member before and after splitting",
    similarity: str = "SSIM",
) -> str:
    """Similarity of every member before splitting (across) and after it (up); empty without members.

    Parameters
    ----------
    before, after:
        One per member, in the same order.
    threshold:
        Similarity from which a member counts as recovered, drawn in both directions.
    title:
        Read aloud instead of the plot; two plots in one page need different ones.
    similarity:
        What it is called.
    """
    if not before:
        return ""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 4.0), layout="constrained")
        axes = figure.subplots()
        # Dots that close hide each other, and 10,000 of them would take a megabyte.
        dots = np.unique(np.round(np.column_stack([before, after]), 2), axis=0)
        low, high = min(0.0, threshold, float(dots.min())) - 0.03, max(1.0, threshold) + 0.03
        axes.plot([low, high], [low, high], color=_FAINT, linewidth=1.0)
        axes.axvline(threshold, color=_INK, linewidth=1.0, linestyle="--")
        axes.axhline(threshold, color=_INK, linewidth=1.0, linestyle="--")
        axes.annotate(
            f"threshold {threshold:g}", (1.0, threshold), xycoords=("axes fraction", "data"),
            xytext=(0, -3), textcoords="offset points", ha="right", va="top",
        )  # fmt: skip
        axes.plot(
            *dots.T, color=_MEMBER, marker=".", markersize=7 if len(dots) < 100 else 5, linestyle="none"
        )
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_xlabel(f"{similarity} before")
        axes.set_ylabel(f"{similarity} after")
        return _svg(figure, title, alt_text.scatter(before, after, threshold, similarity))


def _svg(figure: Figure, title: str, description: str) -> str:
    """Inline SVG with a title and a description, which are read aloud instead of it."""
    buffer = io.StringIO()
    unset: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=unset)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font: (?:\w+ )*([\d.]+px) [^;\"]*", r"font-size: \1", text)  # matplotlib up to 3.9
    text = re.sub(r"font-family: [^;\"]*; ?", "", text)
    for stand_in, colour in _COLOURS.items():
        text = text.replace(stand_in, colour)
    view_box = re.search(r'viewBox="([^"]*)"', text)
    assert view_box is not None, "matplotlib gives every SVG a viewBox"
    opening = (
        f'<svg viewBox="{view_box[1]}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"><title>{html.escape(title)}</title>'
        f"<desc>{html.escape(description)}</desc>"
    )
    return re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1).strip()
