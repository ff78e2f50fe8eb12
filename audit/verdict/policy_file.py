"""Where policies lie: those that come with the tool, and files of users."""

from __future__ import annotations

from pathlib import Path

from audit.errors import PolicyError, suggest


def shipped_policies() -> list[str]:
    """Names of the policies that come with the tool, sorted."""
    return sorted(path.stem for path in _policy_folder().glob("*.yaml"))


def _policy_folder() -> Path:
    """`audit/policies` in an installed wheel, `policies` beside the package in a source tree."""
    package = Path(__file__).parents[1]
    inside = package / "policies"
    return inside if inside.is_dir() else package.parent / "policies"


def policy_path(name_or_path: str) -> Path:
    """Find a policy by the name of a shipped one, or by the path of a file.

    Raises
    ------
    PolicyError
        When there is none; names the nearest.
    """
    shipped = shipped_policies()
    if name_or_path in shipped:
        return _policy_folder() / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.exists():
        return path
    if path.suffix or len(path.parts) > 1:
        raise PolicyError(f"{path}: no such policy file", f"shipped policies are {', '.join(shipped)}")
    raise PolicyError(f"{name_or_path!r} is no policy and no file", suggest(name_or_path, shipped))


def policy_text(path: Path) -> str:
    """Read a file as it is, its ends of lines too.

    Raises
    ------
    PolicyError
        When it cannot be read as text.
    """
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(f"{path}: cannot be read: {what}", "give a YAML file of text") from error
