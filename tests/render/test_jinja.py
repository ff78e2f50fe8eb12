"""What all templates of reports may rely on."""

import jinja2
import pytest

from audit.render.jinja import LOADER, environment


def test_html_is_escaped_and_other_languages_escape_for_themselves() -> None:
    assert environment().from_string("{{ name }}").render(name="<a>") == "&lt;a&gt;"
    upper = environment(finalize=lambda value: str(value).upper())
    assert upper.from_string("{{ name }}").render(name="<a>") == "<A>"


def test_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nmae }}").render(name="a")


def test_numbers_are_written_as_everywhere() -> None:
    text = "{{ 0.12345 | significant }} {{ 0.5 | percent }} {{ none | number }}"
    assert environment().from_string(text).render() == "0.12 50.0 % —"


@pytest.mark.parametrize("name", LOADER.list_templates())
def test_every_template_can_be_parsed(name: str) -> None:
    assert environment().parse(LOADER.get_source(environment(), name)[0]).body
