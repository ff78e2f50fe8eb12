"""`model-audit policy`."""

from pathlib import Path

import pytest

from audit.verdict.policy_file import policy_path, shipped_policies
from tests.command import Run, complains

OWN = """\
version: 1
name: own
limits:
  - {metric: confirmed_fraction, maximum: 0.05}
require: {controls: 1, attacks: [kkt-loss], positive_control: 0.5}
"""


def test_the_list_has_every_shipped_policy(model_audit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    ended = model_audit("policy", "list")
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 60
    assert [line.split()[0] for line in ended.out.splitlines() if line[0] != " "] == shipped_policies()
    assert "release   No training sample may be recovered beyond chance." in ended.out


@pytest.mark.parametrize("name", shipped_policies())
def test_a_policy_is_shown_as_it_is_written(model_audit: Run, name: str) -> None:
    assert model_audit("policy", "show", name).out.encode() == policy_path(name).read_bytes()


def test_a_file_is_shown_with_its_own_ends_of_lines(model_audit: Run) -> None:
    Path("own.yaml").write_bytes(OWN.replace("\n", "\r\n").encode())
    assert model_audit("policy", "show", "own.yaml").out.encode() == Path("own.yaml").read_bytes()


def test_a_valid_policy(model_audit: Run) -> None:
    Path("own.yaml").write_text(OWN)
    ended = model_audit("policy", "check", "own.yaml")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "own.yaml: a valid policy: confirmed_fraction at most 0.05; at SSIM >= 0.4, false discovery rate 0.05; "
        "requires 1 control, kkt-loss, a positive control with a power of 50 %\n"
    )
    assert model_audit("policy", "check", "research").out.endswith(
        "no limits; at SSIM >= 0.4, false discovery rate 0.05; requires nothing\n"
    )
    assert model_audit("policy", "check", "release").out.endswith("silence that is informative\n")


def test_a_limit_on_the_membership_test_is_checked(model_audit: Run) -> None:
    Path("own.yaml").write_text("{version: 1, name: own, limits: [{metric: membership_auc, maximum: 0.6}]}")
    assert "a valid policy: membership_auc at most 0.6;" in model_audit("policy", "check", "own.yaml").out
    Path("own.yaml").write_text("{version: 1, name: own, limits: [{metric: membership_auc, maximum: 6}]}")
    complains(
        model_audit("policy", "check", "own.yaml"), "own.yaml", "limits.0", "from 0.5, which is chance, to 1"
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("controls: 1", "control: 1", ["own.yaml: unknown key 'require.control'", "'controls'"]),
        ("kkt-loss", "kkt-los", ["own.yaml: require.attacks names 'kkt-los'", "'kkt-loss'"]),
        ("name: own\n", "", ["own.yaml: the key 'name' is missing"]),
        ("name: own", "name: [", ["own.yaml:", "not valid YAML"]),
    ],
)
def test_an_invalid_policy(model_audit: Run, old: str, new: str, words: list[str]) -> None:
    Path("own.yaml").write_text(OWN.replace(old, new))
    complains(model_audit("policy", "check", "own.yaml"), *words)


def test_the_nearest_name_is_given(model_audit: Run) -> None:
    complains(model_audit("policy", "show", "realese"), "'realese' is no policy", "did you mean 'release'")
    complains(model_audit("policy", "shwo", "release"), "No such command 'shwo'", "show")
    complains(model_audit("policy", "check", "none.yaml"), "none.yaml: no such policy file")


def test_without_a_command_there_is_help(model_audit: Run) -> None:
    ended = model_audit("policy")
    assert ended.code == 2
    assert "show" in ended.out
