"""A Job, as read from its document. Source: Kubernetes API reference, batch/v1 JobSpec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from vmpod.dataclass import dataclass

if TYPE_CHECKING:
    from vmpod.spec.model import Pod

Action = Literal["FailJob", "FailIndex", "Ignore", "Count"]
ACTIONS: tuple[Action, ...] = ("FailJob", "FailIndex", "Ignore", "Count")

NO_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class ExitCodes:
    """Which exit codes of failed containers. container: '' for any; inside: whether it is to be a value."""

    values: frozenset[int]
    inside: bool = True
    container: str = ""


@dataclass(frozen=True)
class FailureRule:
    """What a failed pod means: by its containers' exit codes, or by (type, status) of conditions."""

    action: Action
    exit_codes: ExitCodes | None = None
    conditions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SuccessRule:
    """When an Indexed Job has succeeded early: so many of these indexes. None: all of them."""

    indexes: frozenset[int] | None = None
    count: int | None = None


@dataclass(frozen=True)
class Job:
    """One Job document. template: its pod, under the Job's name.

    completions: None for a queue of work, of which any success is the end. Deadlines in seconds.
    """

    name: str
    namespace: str
    template: Pod
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    completions: int | None = 1
    parallelism: int = 1
    indexed: bool = False
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    active_deadline: int | None = None
    ttl: int | None = None
    suspend: bool = False
    failure_rules: tuple[FailureRule, ...] = ()
    success_rules: tuple[SuccessRule, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    """The file that it stands in, as the user named it."""
    notes: tuple[str, ...] = ()
    """Fields that were accepted and have no effect on one node, each as a sentence to be said once."""
