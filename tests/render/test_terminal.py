"""Tables fit the terminal, whatever their words hold."""

import pytest

from audit.render.terminal import columns, grid, printed


@pytest.mark.parametrize("width", [30, 80, 200])
def test_sentences_are_wrapped_beside_their_names(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    words = "needs the weights from before training " * 3
    lines = grid([("kkt-margin", words), ("gradient", "[bold]is no markup[/bold] :smile:")])
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()) == (
        f"kkt-margin {words}gradient [bold]is no markup[/bold] :smile:"
    )
    assert [line for line in lines if not line.startswith(" ") and line][1].startswith("gradient    ")


def test_names_are_folded_before_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    table = columns("sample", "before", "after")
    table.add_row("members/a-long-name.png", "0.41", "0.97")
    heading, first, *rest = printed(table)
    assert heading.split() == ["sample", "before", "after"]
    assert first.split()[1:] == ["0.41", "0.97"]
    assert first.split()[0] + "".join(rest) == "members/a-long-name.png"
