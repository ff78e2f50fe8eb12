import re
from pathlib import Path

import audit
from audit.render.sentences.glossary import GLOSSARY, glossary
from tests.report.factory import as_table, make_report


def test_a_glossary_has_at_most_25_terms_each_in_a_line() -> None:
    assert len(GLOSSARY) <= 25
    assert len(glossary(as_table(make_report()))) <= 25
    assert all(meaning.endswith(".") for meaning in GLOSSARY.values())


def test_rows_of_a_table_have_terms_of_their_own() -> None:
    terms = glossary(as_table(make_report()))
    assert {"correlation", "relative error"} <= terms.keys()
    assert not {"SSIM", "NCC", "attainable SSIM"} & terms.keys()
    assert not re.search("image", " ".join(terms.values()))


def test_the_design_notes_have_the_same_glossary() -> None:
    text = (Path(audit.__file__).parent / "DESIGN.md").read_text()
    section = text.partition("## Glossary\n")[2].partition("\n## ")[0]
    entries = re.findall(r"^- \*\*(.*?)\*\*: (.*?)(?=\n- |\n*\Z)", section, flags=re.DOTALL | re.MULTILINE)
    assert {term: " ".join(meaning.split()) for term, meaning in entries} == GLOSSARY
