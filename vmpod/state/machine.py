"""The machine that a pod has, as it was started: what a copy of it has to be like."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from vmpod.errors import HostError
from vmpod.plan.forward import Forward
from vmpod.plan.model import Disks, Frozen, Machine, Plug, Share

FILE = "machine.json"


def save(machine: Machine, directory: Path) -> None:
    """Write it into a directory."""
    (directory / FILE).write_text(json.dumps(asdict(machine), default=str, indent=1))


def load(directory: Path) -> Machine:
    """Read it again. Raises HostError."""
    path = directory / FILE
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        for name in ("kernel", "initrd", "sockets", "console_log"):
            told[name] = Path(told[name])
        told["disks"] = Disks(**{field.name: Path(told["disks"][field.name]) for field in fields(Disks)})
        told["forwards"] = tuple(Forward(**each) for each in told["forwards"])
        told["shares"] = tuple(map(_share, told["shares"]))
        told["plugs"] = tuple(Plug(**each | {"path": Path(each["path"])}) for each in told.get("plugs", ()))
        frozen = told["frozen"]
        told["frozen"] = Frozen(Path(frozen["memory"]), Path(frozen["state"])) if frozen else None
        return Machine(**told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HostError(f"{path} cannot be read: {error}", hint="run the pod again") from error


def _share(told: dict[str, Any]) -> Share:
    file = told.get("file")
    return Share(**told | {"path": Path(told["path"]), "file": Path(file) if file else None})
