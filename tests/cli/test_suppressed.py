"""`model-audit scan --waivers` and `--baseline`: findings that are reported and do not decide."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.support import report, scan, tree
from tests.command import Run, complains
from tests.tiny import MEMBERS, Tiny, blobs


def waived(*names: str, expires: str = "2999-12-31") -> str:
    entry = "- {{id: {}, reason: They agreed., owner: Ada, expires: {}}}\n"
    return "".join(entry.format(name, expires) for name in names)


def everybody() -> list[str]:
    return [f"confirmed-reconstruction/{member}" for member in range(MEMBERS)]


def test_waived_members_are_reported_and_suppressed(model_audit: Run, tiny: Tiny, steps: None) -> None:
    Path("audit-waivers.yaml").write_text(waived(*everybody(), "positive-control-missing"))
    ended = model_audit(*scan(tiny))
    content = report()
    confirmed = content["summary"]["confirmed"]
    assert (ended.code, content["verdict"]) == (0, "PASS")
    assert confirmed > 0
    assert content["policy"]["limits"][0]["value"] == 0
    owners = [finding["suppression"]["owner"] for finding in content["findings"][:confirmed]]
    assert owners == ["Ada"] * confirmed
    assert re.match(rf"PASS: {confirmed} of {MEMBERS} .*Not suppressed: 0", ended.out)
    assert f"{confirmed} of {confirmed} confirmed" in ended.out
    assert "waived by Ada until 2999-12-31: They agreed." in ended.out
    assert "note: waivers: audit-waivers.yaml, 5 in it" in ended.out
    assert re.search(r"note: waived, but not found .*positive-control-missing", ended.out)


def test_one_waiver_does_not_cover_the_others(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny)).code == 1
    before = report()
    Path("mine.yaml").write_text(waived(before["findings"][0]["id"]))
    assert model_audit(*scan(tiny, "--waivers", "mine.yaml")).code == 1
    after = report()
    assert after["summary"]["confirmed"] == before["summary"]["confirmed"] > 1
    assert after["policy"]["limits"][0]["value"] == before["summary"]["confirmed"] - 1


def test_named_waivers_replace_the_default_ones(model_audit: Run, tiny: Tiny, steps: None) -> None:
    Path("audit-waivers.yaml").write_text(waived(*everybody()))
    Path("mine.yaml").write_text(waived("incomplete-audit"))
    assert model_audit(*scan(tiny)).code == 0
    assert model_audit(*scan(tiny, "--waivers", "mine.yaml")).code == 1


def test_only_what_is_new_since_the_baseline_counts(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny)).code == 1
    ended = model_audit(*scan(tiny, "--out", "later", "--baseline", "out"))
    content = report("later")
    assert (ended.code, content["policy"]["limits"][0]["value"]) == (0, 0)
    assert content["summary"]["confirmed"] > 0
    suppressions = [finding["suppression"] for finding in content["findings"] if finding["suppression"]]
    assert {suppression["kind"] for suppression in suppressions} == {"baseline"}
    assert "note: baseline: out/report.json" in ended.out
    strict = model_audit(*scan(tiny, "--out", "third", "--baseline", "out", "--policy", "strict"))
    assert strict.code == 3  # what `strict` requires is required of this run


def test_a_baseline_of_other_members_is_refused(model_audit: Run, tiny: Tiny, steps: None) -> None:
    assert model_audit(*scan(tiny, "--out", "earlier")).code == 1
    before = tree(Path())
    np.savez(tiny.members, images=blobs(MEMBERS, seed=77))
    complains(model_audit(*scan(tiny, "--baseline", "earlier")), "--baseline earlier/report.json", "sha256")
    assert tree(Path()) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (waived("confirmed-reconstruction/0", expires="2020-01-01"), ["Ada", "expired on 2020-01-01"]),
        (waived("confirmed-reconstruction/99"), ["no member of this audit"]),
        (waived("confirmed-reconstuction/0"), ["'confirmed-reconstruction'"]),
        (waived("incomplete-audit", expires="2026-02-30"), ["expires", "'2026-02-30'"]),
        (waived("incomplete-audit").replace("owner", "onwer"), ["'onwer'", "'owner'"]),
    ],
)
@pytest.mark.parametrize("options", [[], ["--waivers", "audit-waivers.yaml"]])
def test_a_bad_waiver_gets_one_line_before_anything_is_attacked(
    model_audit: Run, tiny: Tiny, no_attack: None, text: str, words: list[str], options: list[str]
) -> None:
    Path("audit-waivers.yaml").write_text(text)
    complains(model_audit(*scan(tiny, *options)), "audit-waivers.yaml: entry 1", *words)
    assert set(tree(Path())) == {"audit-waivers.yaml"}
