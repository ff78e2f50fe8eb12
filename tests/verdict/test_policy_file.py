"""Policies are found by name or path, and read as they are."""

from pathlib import Path

import pytest

from audit.errors import PolicyError
from audit.verdict.policy_file import policy_path, policy_text, shipped_policies


def test_shipped_policies_are_found_by_name() -> None:
    assert shipped_policies() == ["release", "research", "strict"]
    for name in shipped_policies():
        assert policy_path(name).stem == name
        assert policy_text(policy_path(name)).startswith("#")


def test_any_other_name_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.yaml", "mine"):
        Path(name).write_text("name: mine\n")
        assert policy_path(name) == Path(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone.yaml", "gone.yaml: no such policy file; shipped policies are release, research, strict"),
        ("no/gone", "no/gone: no such policy file"),
        ("relaese", "'relaese' is no policy and no file; did you mean 'release'?"),
    ],
)
def test_what_is_not_there_is_refused(name: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_path(name)
    assert said in str(caught.value)


def test_text_keeps_the_ends_of_its_lines_and_nothing_else_is_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: mine\r\n")
    assert policy_text(path) == "name: mine\r\n"
    path.write_bytes(b"\xff")
    with pytest.raises(PolicyError, match="cannot be read: it is not UTF-8 text"):
        policy_text(path)
    with pytest.raises(PolicyError, match="cannot be read: Is a directory"):
        policy_text(tmp_path)
