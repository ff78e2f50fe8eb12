"""Waivers: what a file may say, and until when it holds."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.errors import UsageError
from audit.verdict.finding import RULES, Suppression
from audit.verdict.waivers import load_waivers, refuse_expired

MEMBERS = ("face-0", "face-1", "sub/face-2.png")
ATTACKS = ("kkt-margin", "weight-delta")
GOOD = {"id": "confirmed-reconstruction/face-1", "reason": "consent", "owner": "Ada", "expires": "2026-12-31"}


def write(folder: Path, content: Any) -> Path:
    path = folder / "audit-waivers.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_file_is_read_and_says_what_its_findings_get(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "# accepted\n"
        "- {id: confirmed-reconstruction/sub/face-2.png, reason: consent, owner: Ada, expires: 2026-12-31}\n"
        "- {id: attack-failed/kkt-margin, reason: too wide, owner: Bo, expires: 2027-01-01}\n",
    )
    loaded = load_waivers(path, MEMBERS, ATTACKS)
    assert [waiver.expires for waiver in loaded.entries] == [date(2026, 12, 31), date(2027, 1, 1)]
    assert loaded.suppressions["confirmed-reconstruction/sub/face-2.png"] == Suppression(
        kind="waiver", reason="consent", owner="Ada", expires="2026-12-31"
    )
    assert list(loaded.suppressions)[1] == "attack-failed/kkt-margin"


@pytest.mark.parametrize("text", ["", "# none yet\n", "[]\n"])
def test_an_empty_file_holds_none(tmp_path: Path, text: str) -> None:
    assert load_waivers(write(tmp_path, text), MEMBERS, ATTACKS).entries == ()


@pytest.mark.parametrize(
    "kind", [kind for kind in RULES if kind not in ("confirmed-reconstruction", "attack-failed")]
)
def test_every_kind_of_finding_can_be_waived(tmp_path: Path, kind: str) -> None:
    name = f"{kind}/kkt-margin" if kind == "required-attack-missing" else kind
    assert len(load_waivers(write(tmp_path, [GOOD | {"id": name}]), MEMBERS, ATTACKS).entries) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"onwer": "Ada"}, "unknown key 'onwer'; did you mean 'owner'?"),
        ({"reason": None}, "reason is None: input should be a valid string"),
        ({"reason": ""}, "reason is '': string should have at least 1 character"),
        ({"owner": 5}, "owner is 5: input should be a valid string"),
        *(
            ({"expires": wrong}, f"expires is {wrong!r}: expected a day such as 2026-12-31")
            for wrong in ("2026-02-30", "31.12.2026", "soon", 20261231, None, 1.5, "2026-12-31T10:00:00")
        ),
        (
            {"id": "confirmed-reconstrution/face-1"},
            "'confirmed-reconstrution' is no kind of finding; did you mean 'conf",
        ),
        ({"id": "confirmed-reconstruction/face-9"}, "face-9' names no member of this audit"),
        ({"id": "confirmed-reconstruction"}, "names no member"),
        ({"id": "attack-failed/kkt-magrin"}, "names no attack; did you mean 'kkt-margin'?"),
        ({"id": "too-few-controls/face-1"}, "there is only one finding 'too-few-controls'"),
        ({"id": GOOD["id"]}, "is waived twice"),
    ],
)
def test_a_bad_entry_is_refused_by_file_and_number(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = write(tmp_path, [GOOD, GOOD | {"id": "too-few-controls"} | changes])
    with pytest.raises(UsageError) as caught:
        load_waivers(path, MEMBERS, ATTACKS)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{path}: entry 2")
    assert "\n" not in message


@pytest.mark.parametrize("key", list(GOOD))
def test_no_key_may_be_left_out(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, [{name: value for name, value in GOOD.items() if name != key}])
    with pytest.raises(UsageError, match=f"entry 1: the key '{key}' is missing"):
        load_waivers(path, MEMBERS, ATTACKS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("waivers: []\n", "waivers are a list, and this is a dict; begin entries with a dash"),
        ("- face-1\n", "entry 1 is a str; give it the keys id, reason, owner and expires"),
        ("- id: a\n  id: b\n", "audit-waivers.yaml:2: not valid YAML: the key 'id' is given twice"),
    ],
)
def test_what_is_no_list_of_waivers(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        load_waivers(write(tmp_path, text), MEMBERS, ATTACKS)


def test_a_waiver_holds_through_its_last_day(tmp_path: Path) -> None:
    waivers = load_waivers(write(tmp_path, [GOOD]), MEMBERS, ATTACKS)
    refuse_expired(waivers, date(2026, 12, 31))
    with pytest.raises(UsageError, match=r"entry 1: .*face-1' by Ada expired on 2026-12-31; remove it"):
        refuse_expired(waivers, date(2027, 1, 1))
    refuse_expired(None, date(2027, 1, 1))


def test_a_reason_of_several_lines_becomes_one(tmp_path: Path) -> None:
    reason = "A public figure,\n::error::who agreed.\n"
    loaded = load_waivers(write(tmp_path, [GOOD | {"reason": reason, "owner": "Ada\nB."}]), MEMBERS, ATTACKS)
    (waiver,) = loaded.entries
    assert (waiver.reason, waiver.owner) == ("A public figure, ::error::who agreed.", "Ada B.")
