"""Errors a user can act on: one line that says what was found, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AuditError(Exception):
    """Something about the user's input or machine that stops the audit.

    Parameters
    ----------
    problem:
        What is wrong, naming the file, tensor or key, and both sides of the mismatch.
    remedy:
        The next step for the user.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(f"{self.problem}; {self.remedy}".split())


class CheckpointError(AuditError):
    """A file of tensors cannot be read, or what it holds cannot be used."""


class ArchitectureError(AuditError):
    """The tensors, with the user's words about them, do not describe one MLP."""


class DataError(AuditError):
    """Members or controls cannot be read, or do not fit the network or each other."""


class PolicyError(AuditError):
    """A policy cannot be read, or asks for something unknown."""


class ConfigError(AuditError):
    """A file of options cannot be read, or has an unknown key or an unusable value."""


class UsageError(AuditError):
    """An option of the command line has a value that cannot be used."""


class OutputError(AuditError):
    """The run folder, or a report beside it, cannot be written."""


class RunError(AuditError):
    """What an earlier run left cannot be read."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Say which known word an unknown one is nearest to, if it is near any, and list them all."""
    names = list(known)
    nearest = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    listing = f"known are {', '.join(names)}"
    return f"did you mean {nearest[0]!r}? ({listing})" if nearest else listing


def first_line(error: BaseException) -> str:
    """First line of what an error says, or its name if it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]
