import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.errors import PolicyError
from audit.verdict.policy import Policy, load_policy
from audit.verdict.policy_file import _policy_folder as policy_folder
from audit.verdict.policy_file import shipped_policies

ATTACKS = ("kkt-margin", "kkt-loss")
WORDS = re.compile(r"\b(anonym\w*|complian\w*|safe|safely)\b", re.IGNORECASE)


def test_shipped_policies_load_under_their_own_names() -> None:
    assert shipped_policies() == ["release", "research", "strict"]
    for name in shipped_policies():
        loaded = load_policy(name, ATTACKS)
        assert loaded.name == name
        assert loaded.match.threshold == 0.4


def test_shipped_policies_explain_themselves() -> None:
    for path in policy_folder().glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# For ")
        assert "Where the numbers come from" in text
        assert not WORDS.search(text)


def test_the_release_policy_is_the_one_of_the_documents() -> None:
    release = load_policy("release", ATTACKS)
    assert [(limit.metric, limit.maximum) for limit in release.limits] == [("confirmed", 0.0)]
    assert release.require.model_dump() == {
        "controls": 50,
        "attacks": ["kkt-margin"],
        "positive_control": False,
        "informative": True,
        "true_loss": 0.25,
        "attack_loss": 0.5,
    }


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


GOOD: dict[str, Any] = {
    "version": 1,
    "name": "mine",
    "match": {"metric": "ssim", "threshold": 0.5, "fdr": 0.1},
    "limits": [{"metric": "confirmed", "maximum": 2}],
    "require": {"controls": 10, "attacks": ["kkt-loss"], "positive_control": False},
}


def test_a_policy_file_is_read(tmp_path: Path) -> None:
    loaded = load_policy(write(tmp_path, yaml.safe_dump(GOOD)), ATTACKS)
    assert loaded == Policy.model_validate(GOOD)
    assert loaded.match.threshold == 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": []}, "unknown key 'limit'; did you mean 'limits'?"),
        ({"match": {"treshold": 0.4}}, "unknown key 'match.treshold'; did you mean 'threshold'?"),
        ({"limits": [{"metric": "confirmed", "maximun": 0}]}, "'limits.0.maximun'; did you mean 'maximum'?"),
        ({"require": {"control": 5}}, "unknown key 'require.control'; did you mean 'controls'?"),
        ({"zebra": 1}, "unknown key 'zebra'; known are version, name, description, match, limits, require"),
        ({"limits": [{"metric": "confirmd", "maximum": 0}]}, "did you mean 'confirmed'?"),
        ({"limits": [{"metric": "confirmed"}]}, "the key 'limits.0.maximum' is missing"),
        ({"limits": [{"metric": "confirmed", "maximum": "0"}]}, "limits.0.maximum is '0': input should be a"),
        ({"limits": [{"metric": "confirmed", "maximum": float("nan")}]}, "limits.0.maximum is nan"),
        ({"limits": [{"metric": "confirmed", "maximum": -1}]}, "limits.0.maximum is -1"),
        ({"limits": {"metric": "confirmed"}}, "limits is {'metric': 'confirmed'}"),
        ({"match": {"threshold": 1.5}}, "match.threshold is 1.5: input should be less than or equal to 1"),
        ({"match": {"fdr": 0}}, "match.fdr is 0"),
        ({"match": {"metric": "lpips"}}, "match.metric is 'lpips': input should be 'ssim'"),
        ({"require": {"controls": True}}, "require.controls is True"),
        *(
            (
                {"require": {"positive_control": wrong}},
                f"require.positive_control is {wrong!r}: expected true, false, or the smallest power",
            )
            for wrong in (0, 0.0, -0.1, 1.01, float("nan"), "yes", None)
        ),
        ({"version": 2}, "version is 2: input should be 1"),
        (
            {"require": {"attacks": ["kkt-magrin"]}},
            "'kkt-magrin', which is no attack; did you mean 'kkt-margin'?",
        ),
    ],
)
def test_a_bad_policy_is_refused_by_key(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = write(tmp_path, yaml.safe_dump(GOOD | changes))
    with pytest.raises(PolicyError) as caught:
        load_policy(path, ATTACKS)
    message = str(caught.value)
    assert words in message
    assert message.startswith(path)
    assert "\n" not in message


@pytest.mark.parametrize("key", ["version", "name", "limits"])
def test_keys_that_may_not_be_left_out(tmp_path: Path, key: str) -> None:
    content = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(PolicyError, match=f"the key '{key}' is missing"):
        load_policy(write(tmp_path, yaml.safe_dump(content)), ATTACKS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: 1\nname: [a\n", "mine.yaml:3: not valid YAML"),
        (
            "version: 1\nlimits: []\nlimits: []\n",
            "mine.yaml:3: not valid YAML: the key 'limits' is given twice",
        ),
        ("", "this is empty"),
        ("- a\n", "this is a list"),
        ("version: \x07\n", "not valid YAML: unreadable characters"),
        ("name: !!python/object/apply:os.getcwd []\n", "mine.yaml:1: not valid YAML"),
        ("{[1]: 2}\n", "mine.yaml:1: not valid YAML"),
        ("1: 2\n", "keys should be strings"),
    ],
)
def test_what_is_no_policy_at_all(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(words)):
        load_policy(write(tmp_path, text), ATTACKS)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path, "cannot be read: Is a directory"),
        (binary, "not UTF-8"),
        (tmp_path / "absent.yaml", "no such policy file; shipped policies are release, research, strict"),
    ):
        with pytest.raises(PolicyError, match=words):
            load_policy(str(path), ATTACKS)


def test_an_unknown_name_gets_the_nearest_policy() -> None:
    with pytest.raises(
        PolicyError, match=re.escape("'relese' is no policy and no file; did you mean 'release'?")
    ):
        load_policy("relese", ATTACKS)
