"""Policies: YAML files that say what an audit must show; `audit.verdict.judgement` applies them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from audit.errors import PolicyError, suggest
from audit.model.modality import IMAGES, MODALITIES, Measure
from audit.verdict.policy_file import policy_path
from audit.yaml_file import read_mapping, validate

Metric = Literal["confirmed", "confirmed_fraction", "recovered", "recovered_fraction", "membership_auc"]

_LEAST_POWER = 0.1
"""What a policy requires that asks for a positive control without a number."""

CALIBRATED: frozenset[Metric] = frozenset({"confirmed", "confirmed_fraction"})
"""Metrics that mean nothing without controls."""


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class MatchRule(_Part):
    """When a candidate counts as a reconstruction of a member."""

    metric: Measure = IMAGES.metric
    """Measure of similarity: ssim for images, correlation for rows of a table."""
    threshold: float = Field(default=IMAGES.threshold, gt=0.0, le=1.0)
    """Similarity from which a match counts as recovered; by default 0.4 for SSIM, 0.8 for correlation."""
    fdr: float = Field(default=0.05, gt=0.0, lt=1.0)
    """False discovery rate among the confirmed members."""

    @model_validator(mode="before")
    @classmethod
    def _threshold_of_the_metric(cls, given: Any) -> Any:
        metric = given.get("metric") if isinstance(given, dict) else None
        return {"threshold": MODALITIES[metric].threshold, **given} if metric in MODALITIES else given


class Limit(_Part):
    """The largest value of a metric that may be released."""

    metric: Metric
    """What is limited: a count of members, a fraction of all members, from 0 to 1, or `membership_auc`: how well
    contributions to the weights distinguish members from controls, from 0.5, chance, to 1."""
    maximum: float = Field(ge=0.0)
    """Largest value that is allowed."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.metric == "membership_auc" and not 0.5 <= self.maximum <= 1:
            raise ValueError("membership_auc takes a maximum from 0.5, which is chance, to 1")
        return self


def _power(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, int | float) and 0 < value <= 1):
        return value
    raise ValueError("expected true, false, or the smallest power, above 0 and at most 1")


class Requirements(_Part):
    """What an audit must have done before a negative result counts as evidence (`require` in a policy)."""

    controls: int = Field(default=0, ge=0)
    """Smallest number of controls."""
    attacks: list[str] = []
    """Ids of attacks that must have run."""
    positive_control: Annotated[bool | float, BeforeValidator(_power)] = False
    """Whether a positive control must have confirmed samples of a model that was made to leak, or what share of
    them at the least."""

    informative: bool = False
    """Whether a PASS must be earned: the network as read is the user's, members and controls are alike, and nothing
    found means something (`audit.verdict.grounds`)."""
    true_loss: float = Field(default=0.25, gt=0.0, le=1.0)
    """Largest relative loss at the true samples, adjusted for the number of unknowns, with which an equation counts
    as describing the training."""
    attack_loss: float = Field(default=0.5, gt=0.0, le=1.0)
    """Largest relative loss with which an attack on `--initial` or `--gradient` counts as having used it."""

    @property
    def informative_power(self) -> float:
        """Power that the interval of the positive control must lie above for it to make silence informative."""
        return self.least_power or _LEAST_POWER

    @property
    def least_power(self) -> float:
        """Share of the positive control's samples that must be confirmed: 0 if none is required."""
        required = self.positive_control
        return _LEAST_POWER * required if isinstance(required, bool) else required


class Policy(_Part):
    """What an audit must show before a checkpoint is released (version 1)."""

    version: Literal[1]
    """Version of the format of policies."""
    name: str = Field(min_length=1)
    """Name of the policy, as reports show it."""
    description: str = ""
    """What the policy is for."""
    match: MatchRule = MatchRule()
    """When a candidate counts as a reconstruction."""
    limits: list[Limit]
    """Limits on what may leak; may be empty, then the audit only reports, but the key may not be left out."""
    require: Requirements = Requirements()
    """What the audit must have done before a negative result counts as evidence."""


def load_policy(name_or_path: str, known_attacks: Sequence[str]) -> Policy:
    """Read a policy by the name of a shipped one, or from a YAML file.

    Parameters
    ----------
    name_or_path:
        A name from `shipped_policies`, which wins over a file of that name, or the path of a file.
    known_attacks:
        Ids of the battery; a policy may require no other.

    Raises
    ------
    PolicyError
        When there is no such policy, or it cannot be read or asks for something unknown. Names the file and
        the key, and the nearest key, metric, attack or policy that exists.
    """
    path = policy_path(name_or_path)
    policy = read_policy(path)
    for attack in policy.require.attacks:
        if attack not in known_attacks:
            raise PolicyError(
                f"{path}: require.attacks names {attack!r}, which is no attack",
                suggest(attack, known_attacks),
            )
    return policy


def read_policy(path: Path) -> Policy:
    """Read a policy as `load_policy` does, whatever attacks it requires."""
    content = read_mapping(path, "a policy", "start from `model-audit policy show release`", PolicyError)
    return validate(Policy, content, str(path), PolicyError)
