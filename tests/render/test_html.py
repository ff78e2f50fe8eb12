import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from audit.render.html import render
from audit.render.sentences.advice import advice
from audit.render.sentences.attacks import BEFORE_SPLITTING
from audit.report.evidence import Evidence
from audit.report.schema import Report
from tests.report.factory import (
    make_controlled,
    make_evidence,
    make_observed,
    make_report,
    make_trajectories,
    without_rounds,
)
from tests.report.golden import assert_golden, words_of
from tests.tiny import draw_once
from tests.verdict.cases import ADA

VOID = {"meta", "img", "br", "link", "hr", "input"}


@pytest.fixture(autouse=True)
def _draw_once(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_once(monkeypatch)


def page(report: Report) -> str:
    return render(report, make_evidence(report), make_trajectories(report))


def splitting(text: str) -> str:
    return section(text, "splitting")


def section(text: str, name: str) -> str:
    return text.partition(f'<h2 id="{name}">')[2].partition("<h2 ")[0]


def without_script(text: str) -> str:
    return re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_golden() -> None:
    assert_golden("report.html", words_of(page(make_report())))


def test_golden_redacted() -> None:
    assert_golden(
        "redacted.html",
        words_of(page(make_report(confirmed=0, controls=0, complete=False, redacted=True))),
    )


def test_the_same_report_gives_the_same_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert page(make_report()) == page(make_report())


class Outline(HTMLParser):
    """Fails on tags that do not match, and collects what the tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.alts: list[str | None] = []
        self.headers: list[str | None] = []
        self.levels: list[int] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        if tag == "a":
            self.links.append(str(named["href"]))
        if tag not in VOID:
            self.open.append(tag)
        if named.get("id"):
            self.ids.append(str(named["id"]))
        if tag == "img":
            self.alts.append(named.get("alt"))
        if tag == "th":
            self.headers.append(named.get("scope"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


@pytest.mark.parametrize(
    "report",
    [make_report(), make_report(controls=0, complete=False), make_report(redacted=True, policy="strict")],
    ids=["plain", "uncalibrated", "redacted"],
)
def test_the_page_is_well_formed_and_accessible(report: Report) -> None:
    outline = Outline()
    outline.feed(page(report))
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert all(outline.alts)
    assert set(outline.headers) == {"col", "row"}
    assert all(below - above <= 1 for above, below in pairwise([0, *outline.levels]))
    assert [outline.tags.count(tag) for tag in ("h1", "header", "nav", "main", "footer")] == [1] * 5
    assert {link[1:] for link in outline.links} <= set(outline.ids)
    assert outline.tags.count("script") == 1


def test_a_silence_that_says_little_has_a_colour_of_its_own() -> None:
    report = make_report(confirmed=0, controls=200)
    silent = report.findings[0].model_copy(
        update={"kind": "uninformative-silence", "id": "uninformative-silence"}
    )
    unsure = report.model_copy(update={"verdict": "INCONCLUSIVE", "findings": [silent]})
    assert '<section class="verdict inconclusive silent"' in page(unsure)
    waived = silent.model_copy(update={"suppression": ADA})
    assert '<section class="verdict inconclusive"' in page(unsure.model_copy(update={"findings": [waived]}))


def test_marks_say_which_grounds_hold() -> None:
    report = make_report(confirmed=0, controls=19)
    text = page(report)
    assert text.count('aria-label="holds"') == sum(one.holds is True for one in report.verdict_grounds) > 0
    assert text.count('aria-label="missing"') == sum(one.holds is False for one in report.verdict_grounds) > 0
    listed = text.partition('<section class="grounds"')[2].partition("</section>")[0]
    assert report.reasons[0] not in listed  # it stands above as the reason


def test_the_only_script_is_the_one_that_the_page_allows() -> None:
    text = page(make_report(prefix="</script><script>alert(1)//"))
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:;" in text
    )
    assert text.count("<script") == text.count("</script>") == 1
    assert "face-0" not in script
    assert not re.search(
        r"\beval\b|innerHTML|outerHTML|insertAdjacentHTML|document\.write|Function\(", script
    )


def test_every_section_is_in_the_contents() -> None:
    text = page(make_report())
    contents = text.partition("<nav")[2].partition("</nav>")[0]
    titles = re.findall(r'<h2 id="([\w-]+)">(.*?)</h2>', text)
    assert re.findall(r'<a href="#([\w-]+)">(.*?)</a>', contents) == titles
    assert len(titles) == text.count("<h2")


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page(make_report())
    addresses = set(re.findall(r"\w+://[^\s\"'<)]+", text))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|<link|<script\s|<iframe|<base|\son\w+=", text)
    assert set(re.findall(r"url\((.)", text)) == {"#"}


def test_names_are_escaped() -> None:
    name = "<script>alert('x')</script>\"&"
    text = page(make_report(checkpoint=name, prefix=name))
    assert "<script" not in without_script(text)
    assert 'data-name="&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;0"' in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;" in text


def test_the_verdict_is_a_word_with_reasons() -> None:
    report = make_report()
    card = page(report).partition('<section class="verdict fail"')[2].partition("</section>")[0]
    assert "FAIL" in card
    assert all(reason in card for reason in report.reasons)


def test_the_verdict_says_what_to_do_next() -> None:
    report = make_report()
    said = re.findall(r'<a href="#advice">(.*?)</a>', page(report).partition("</section>")[0])
    steps = advice(report)
    assert said == [steps[0].title, steps[1].title, f"{len(steps) - 2} more"]


def test_the_count_stands_beside_chance() -> None:
    text = page(make_report())
    assert "<b>3 <span>of 6</span></b>" in text
    assert "95 % interval 11.8 % to 88.2 %" in text
    assert "about 1.0" in text
    assert "10 of 60 images" in text


def test_without_controls_nothing_looks_counted() -> None:
    text = page(make_report(controls=0))
    assert "<b>?<span> of 6</span></b>" in text
    assert "nearest control" not in text
    assert "most like the reconstruction" not in text
    assert "identification margin" not in text


def test_the_gallery_shows_pictures_with_their_numbers() -> None:
    report = make_report()
    gallery = section(page(report), "evidence")
    assert gallery.count("data:image/png;base64,") == 15
    assert re.findall(r"badge[^>]*>([a-z ]+)<", gallery) == ["confirmed"] * 3 + ["recovered", "not recovered"]
    assert "SSIM 0.92" in gallery
    assert "nearest control control-7" in gallery
    assert re.findall(r'data-show="(\w+)"[^>]*>\w+ (\d)<', gallery) == [
        ("match", "5"), ("recovered", "4"), ("confirmed", "3"),
    ]  # fmt: skip
    for number in ('data-similarity="0.92"', 'data-p="0.01639"', 'data-contribution="0.5"', 'data-row="m0"'):
        assert number in gallery


def test_colour_pictures() -> None:
    report = make_report()
    red = np.zeros((4, 4, 3))
    red[..., 0] = 1.0
    grey = np.full((4, 4, 1), np.nan)
    evidence = [Evidence(sample=0, reconstruction=red, member=red, control=grey, control_id="c")]
    assert render(report, evidence).count("data:image/png;base64,") == 3


def test_a_redacted_report_shows_no_pixel() -> None:
    text = page(make_report(redacted=True))
    assert "data:" not in text.replace("img-src data:", "")
    assert "<img" not in text
    assert text.count('class="silhouette"') == 15 + 4
    assert splitting(text).count('withheld"') == 4
    assert "Images were withheld" in text
    assert "file names may name people" in text
    assert "withheld" not in page(make_report())


def test_splitting_shows_its_table_the_scatter_and_how_a_match_came_about() -> None:
    report = make_report()
    section = splitting(page(report))
    assert BEFORE_SPLITTING in section
    assert "0.042 → 0.0031" in section
    assert "<title>SSIM of every member before and after splitting, kkt-margin</title>" in section
    assert re.findall(r"<li><b>(.*?)</b>", section) == ["training image", "before", "its two children"]
    captions = re.findall(r"<figcaption>SSIM ([\d.]+)", section)
    assert captions == ["0.47", "0.92", "0.22"]
    assert section.count("data:image/png") == 4


def test_without_a_kept_round_there_is_nothing_to_plot() -> None:
    section = splitting(page(without_rounds(make_report())))
    assert "No round of splitting was kept" in section
    assert "<svg" not in section
    assert "<img" not in section


def test_attacks_without_splitting_do_not_mention_it() -> None:
    report = make_report()
    assert splitting(page(report.model_copy(update={"attacks": report.attacks[1:]}))) == ""


def test_plots_of_two_attacks_that_split_share_no_ids() -> None:
    report = make_report()
    first = report.attacks[0]
    both = [first, first.model_copy(update={"id": "<b>other"})]
    text = page(report.model_copy(update={"attacks": both}))
    assert "splitting, &lt;b&gt;other</title>" in text
    assert "<b>other" not in text
    outline = Outline()
    outline.feed(text)
    assert len(outline.ids) == len(set(outline.ids))


def test_an_incomplete_audit_carries_a_banner() -> None:
    assert "Incomplete audit." in page(make_report(complete=False))
    assert "Incomplete audit." not in page(make_report())


def test_an_observed_gradient_is_named_wherever_it_was_used() -> None:
    text = page(make_observed("update"))
    assert "or from an observed update?" in text
    assert "computed from the weights and an observed update" in text
    assert '<th scope="row">Observed update</th><td>seen.safetensors, learning rate 0.1<br>' in text
    assert "observed" not in page(make_report()).partition("Glossary")[0]


def test_long_tables_are_cut_and_say_so() -> None:
    report = make_report()
    many = [report.samples[0].model_copy(update={"id": f"n{i}"}) for i in range(1100)]
    text = render(report.model_copy(update={"samples": many}))
    assert "1000 of 1100" in text
    assert len(re.findall(r'<tr id="m\d+"><th scope="row">n', text)) == 1000


def many(count: int, shape: tuple[int, ...], pictured: int | None = None) -> str:
    """A page on members of which nothing but noise came back, which is what compresses worst."""
    noise = np.random.default_rng(0).random((20, *shape))
    report = make_report()
    samples = [report.samples[0].model_copy(update={"id": f"member-{i:05}.png"}) for i in range(count)]
    evidence = [
        Evidence(i, noise[i % 20], noise[i % 19], noise[i % 17], f"control-{i:05}.png")
        for i in range(count if pictured is None else pictured)
    ]
    return render(report.model_copy(update={"samples": samples}), evidence)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_five_hundred_members_have_their_evidence_in_a_file_below_five_megabytes(
    shape: tuple[int, ...],
) -> None:
    text = many(500, shape)
    assert text.count("data:image/png") == 1500
    assert len(text.encode()) < 5_000_000
    assert ("rounded to 16 levels" in text) == (shape[-1] == 3)
    assert "scaled down" not in text


def test_where_there_is_no_room_for_all_pictures_the_page_says_so() -> None:
    text = many(200, (224, 224, 3), pictured=40)
    shown = text.count("data:image/png") // 3
    assert 20 < shown <= 40
    assert f"{shown} of 200" in text
    assert "224 x 224" in text
    assert len(text.encode()) < 5_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(scheme: str) -> None:
    css = page(make_report()).partition("<style>")[2]
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in css.split("}", 2)[:2])
    colours = light | (dark if scheme == "dark" else {})

    def luminance(name: str) -> float:
        channels = [int(colours[name][i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    pairs = [(text, on) for text in ("ink", "soft", "member", "control", "fail", "pass", "inconclusive")
             for on in ("page", "card")]  # fmt: skip
    pairs += [("on-verdict", tone) for tone in ("fail", "pass", "inconclusive")]
    for pair in pairs:
        dim, bright = sorted(map(luminance, pair))
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, pair


def test_wording() -> None:
    for report in (make_report(), make_report(confirmed=0, controls=200), make_report(policy="strict")):
        words = re.sub(r"<style>.*?</style>", "", without_script(page(report)), flags=re.DOTALL)
        assert not re.search(r"\b(anonym\w*|complian\w*|safe|safely)\b", words, re.IGNORECASE)


@pytest.mark.parametrize(("confirmed", "verdict"), [(2, "pass"), (0, "inconclusive")])
def test_what_the_policy_asks_of_a_positive_control(confirmed: int, verdict: str) -> None:
    page = render(make_controlled(confirmed=confirmed, power=confirmed / 3))
    row = page.partition("positive control: power at least 10.0 %")[2].partition("</tr>")[0]
    assert f"<td>{100 * confirmed / 3:.1f} %</td>" in row
    assert f"badge {verdict}" in row
    assert f"<p>{confirmed} of 3 images confirmed: a power of" in page
    missing = (
        render(make_report(policy="strict")).partition("positive control: power")[2].partition("</tr>")[0]
    )
    assert "not run" in missing
    assert "badge inconclusive" in missing
