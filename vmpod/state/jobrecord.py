"""What is written down about a Job when it is made. How far it is stands elsewhere: see jobs.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmpod.errors import HostError
from vmpod.files import write_atomically
from vmpod.plan.forward import pod_key
from vmpod.plan.loglimits import DEFAULT, LogLimits

if TYPE_CHECKING:
    from vmpod.plan.model import Accelerator

VERSION = 1
FILE = "job.json"


@dataclass(frozen=True)
class JobRecord:
    """One Job.

    created: RFC 3339. document: the Job, as JSON. config: the ConfigMaps of its namespace. secrets: whether
    it has Secrets, which are not kept. manifest: the file that it stands in, '' for standard input. The rest
    is how its pods are started: see start.Options.
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

    @property
    def key(self) -> str:
        """The Job's directory name."""
        return pod_key(self.namespace, self.name)

    @property
    def called(self) -> str:
        """What commands call it, behind 'job/'."""
        return self.key.replace("_", "/")


def save(record: JobRecord, directory: Path) -> None:
    """Write the record into the Job's directory."""
    content = {"version": VERSION} | asdict(record)
    write_atomically(directory / FILE, json.dumps(content, indent=1).encode())


def load(directory: Path) -> JobRecord | None:
    """Read the record of a Job's directory; None if there is none (yet, or any more).

    Raises HostError if it is of another version or damaged.
    """
    path = directory / FILE
    try:
        content = json.loads(path.read_bytes())
        if content.pop("version") != VERSION:
            raise HostError(
                f"{path} was written by another version of vmpod", hint="use that one to remove the Job"
            )
        content["logs"] = LogLimits(**content["logs"])
        content["config"] = tuple(content["config"])
        return JobRecord(**content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HostError(f"{path} is damaged: {error}", hint=f"remove {directory}") from error
