"""The documents in audit/docs: every attack has its section, and what is cited exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import audit
from audit.attacks import BATTERY, Attack

PACKAGE = Path(audit.__file__).parent
DOCS = PACKAGE / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FACETS = ["Needs", "Finds", "Does not apply", "Source", "Remedy"]

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
NUMBERED = re.compile(r"^ {4}\((\d+)\) ", re.MULTILINE)
"""An equation of methods.md."""
CITED = re.compile(r"equations?\s+((?:\(\d+\)(?:,\s+|\s+and\s+|\s+to\s+)?)+)")
"""Equations that are cited together."""
IN_CODE = re.compile(rf"audit/docs/methods\.md, {CITED.pattern}".replace(" ", r"\s+"))


def text_of(name: str) -> str:
    return (DOCS / name).read_text()


def anchors(text: str) -> set[str]:
    """Of the headings of a page, as code hosts make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(FENCED.sub("", text))
    }


def cited(text: str) -> list[int]:
    return [int(number) for group in CITED.findall(text) for number in re.findall(r"\d+", group)]


# Attacks


def sections() -> dict[str, str]:
    """Of attacks.md, those that are named like an attack."""
    parts = re.split(r"^## ([a-z0-9-]+)$", text_of("attacks.md"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_attack_has_a_section_in_the_order_of_the_battery() -> None:
    assert list(sections()) == [attack.id for attack in BATTERY]


@pytest.mark.parametrize("attack", BATTERY, ids=lambda attack: attack.id)
def test_a_section_says_all_that_is_asked_of_an_attack(attack: Attack) -> None:
    section = sections()[attack.id]
    assert re.findall(r"^- \*\*(.+?)\*\*:", section, flags=re.MULTILINE) == FACETS
    assert [paper for paper in re.findall(r"\d{4}\.\d{5}", attack.papers) if paper not in section] == []


# What is cited


def test_equations_are_numbered_in_order() -> None:
    numbers = [int(number) for number in NUMBERED.findall(text_of("methods.md"))]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert len(numbers) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_equations_that_a_page_cites_exist(page: Path) -> None:
    numbers = set(map(int, NUMBERED.findall(text_of("methods.md"))))
    assert [number for number in cited(page.read_text()) if number not in numbers] == []


def test_equations_that_the_code_cites_exist() -> None:
    numbers = set(map(int, NUMBERED.findall(text_of("methods.md"))))
    texts = {path.relative_to(PACKAGE): path.read_text() for path in PACKAGE.rglob("*.py")}
    citing = {name: text for name, text in texts.items() if re.search(r"methods\.md|METHODS", text)}
    assert len(citing) >= 8
    for name, text in citing.items():
        # Every mention of the page names an equation, in one form, so that none escapes this test.
        groups = IN_CODE.findall(text)
        assert len(groups) == len(re.findall(r"methods\.md|METHODS", text)), name
        assert {int(number) for group in groups for number in re.findall(r"\d+", group)} <= numbers, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_one_title_and_begins_with_a_sentence(page: Path) -> None:
    text = FENCED.sub("", page.read_text())
    assert re.match(r"# .+\n\n[A-Z]", text)
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1
