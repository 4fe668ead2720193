"""What is written down about a Job when it is made. How far it is stands elsewhere: see jobs.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmpod.dataclass import dataclass
from vmpod.plan.loglimits import DEFAULT, LogLimits
from vmpod.state import versioned
from vmpod.state.named import Named

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator

VERSION = 1
FILE = "job.json"


@dataclass(frozen=True)
class JobRecord(Named):
    """One Job.

    created: RFC 3339. document: the Job, as JSON. config: the ConfigMaps of its namespace. secrets: whether
    it has Secrets, which are not kept. manifest: the file that it stands in, '' for standard input. renamed:
    whether the manifest has another name, or none. The rest is how its pods are started: see start.Options.
    """

    uid: str
    name: str
    namespace: str
    created: str
    accelerator: Accelerator
    uri: str = ""
    logs: LogLimits = DEFAULT
    boot_timeout: float | None = None
    template: bool = True
    document: Mapping[str, Any] = field(default_factory=dict)
    config: tuple[Mapping[str, Any], ...] = ()
    secrets: bool = False
    manifest: str = ""
    renamed: bool = False


def save(record: JobRecord, directory: Path) -> None:
    """Write the record into the Job's directory."""
    versioned.save(directory / FILE, VERSION, asdict(record))


def load(directory: Path) -> JobRecord | None:
    """Read the record of a Job's directory; None if there is none (yet, or any more).

    Raises HostError if it is of another version or damaged.
    """
    return versioned.load(
        directory / FILE,
        VERSION,
        _from_json,
        other="use that one to remove the Job",
        damaged=f"remove {directory}",
    )


def _from_json(content: dict[str, Any]) -> JobRecord:
    content["logs"] = LogLimits(**content["logs"])
    content["config"] = tuple(content["config"])
    return JobRecord(**content)
