"""Options of commands, made from fields, and what values of --format mean."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from audit.cli.options import command, elsewhere, formats, takes
from audit.errors import UsageError
from audit.request.request import options

FIELDS = [one for one in options() if one.name in ("data", "budget", "attacks", "format", "progress", "seed")]


def run(*words: str, **more: Any) -> Any:
    """What a command is given, and how it is written with all that was asked for."""
    app, seen = typer.Typer(), {}

    @app.command()
    @takes(FIELDS, **more)
    def try_it(context: typer.Context, own: int = 3, **given: Any) -> None:
        seen.update(given, own=own, written=command(context))

    result = CliRunner().invoke(app, list(words), prog_name="try-it")
    return seen if result.exit_code == 0 else result.output


def test_defaults_are_those_of_the_fields() -> None:
    assert run() == {
        "data": None,
        "attacks": None,
        "budget": None,
        "seed": 0,
        "format": None,
        "progress": True,
        "own": 3,
        "written": "try-it",
    }
    assert run(defaults={"budget": "60s"})["budget"] == "60s"


def test_values_are_given_as_they_were_written() -> None:
    words = ["--attacks", "a,b", "--format", "html", "--format", "json=x", "--no-progress", "--own", "4"]
    seen = run(*words)
    assert (seen["attacks"], seen["format"], seen["progress"], seen["own"]) == (
        "a,b",
        ["html", "json=x"],
        False,
        4,
    )
    assert seen["written"].split() == ["try-it", *words]


def test_what_must_be_given_is_asked_for() -> None:
    assert "Missing option '--data'" in run(required=("data",))
    assert run("--data", "x", required=("data",))["data"] == "x"


def test_the_order_is_that_of_the_fields_and_own_options_are_last() -> None:
    @takes(FIELDS)
    def try_it(own: int = 3, **given: Any) -> None: ...

    assert list(inspect.signature(try_it).parameters) == [*(one.name for one in FIELDS), "own"]


def test_formats_and_their_paths() -> None:
    assert formats(None) == ["html", "markdown", "json"]
    assert formats(["json, html", "json"]) == ["json", "html"]
    assert elsewhere(["json,sarif=a/b.sarif"]) == {"sarif": Path("a/b.sarif")}
    for given, words in (
        (["htm"], "unknown format 'htm'"),
        ([""], "names no format"),
    ):
        with pytest.raises(UsageError, match=words):
            formats(given)
    for given, words in (
        (["json="], "has no path"),
        (["json=a,json=b"], "two paths for json"),
        (["json=a,html=a"], "two reports for a"),
    ):
        with pytest.raises(UsageError, match=words):
            elsewhere(given)
