"""What README and audit/docs state, held against the code and the committed results."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest
import typer

import audit
from audit.cli import EXIT_CODES, app
from audit.verdict.finding import RULES

ROOT = Path(audit.__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "audit/docs").glob("*.md"))]
README = PAGES[0].read_text()
OTHER_TOOLS = {"--hook-stage"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def options() -> set[str]:
    """Every option of every command."""
    found, commands = set(), [typer.main.get_command(app)]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found | {"--help"}


def test_the_readme_can_be_read_in_one_go() -> None:
    assert 6_000 <= len(README.encode()) <= 8_000


def test_one_version() -> None:
    assert f"\n## [{audit.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {audit.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_figure_of_the_sample_report() -> None:
    summary = json.loads((ROOT / "reports/sample/report.json").read_text())["summary"]
    assert f"the sample report has {summary['confirmed']} of {summary['members']}" in " ".join(README.split())


@each_page
def test_options_exist(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text()))
    assert named <= options() | OTHER_TOOLS


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@each_page
def test_python_examples_import_what_exists(page: Path) -> None:
    for example in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize(
    "page", [README, (ROOT / "audit/docs/usage.md").read_text()], ids=["README", "usage"]
)
def test_exit_codes(page: str) -> None:
    assert set(EXIT_CODES) == {"PASS", "FAIL", "INCONCLUSIVE"}
    for verdict, code in EXIT_CODES.items():
        assert f"\n| {code} | {verdict}: " in page


def test_every_scan_option_has_a_row() -> None:
    usage = (ROOT / "audit/docs/usage.md").read_text()
    table = re.search("<!-- options:scan:begin -->\n(.*)<!-- options:scan:end -->", usage, re.DOTALL)
    assert table
    rows = set(re.findall(r"^\| `(--[a-z-]+)", table[1], re.MULTILINE))
    scan = typer.main.get_command(app).commands["scan"]
    for parameter in scan.params:
        if parameter.param_type_name == "option":
            assert rows & {*parameter.opts, *parameter.secondary_opts}, parameter.name


def test_every_finding_has_a_section_and_every_section_is_of_a_finding() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "audit/docs/findings.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted([*RULES, "limit"])
