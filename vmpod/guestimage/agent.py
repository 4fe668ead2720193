"""Packs the guest agent, to travel in the initrd so that it always matches the vmpod on the host."""

from __future__ import annotations

import importlib.util
import marshal
from pathlib import Path

import vmpod
from vmpod.errors import GuestImageError
from vmpod.guestimage.cpio import archive
from vmpod.guestimage.init import AGENT
from vmpod.guestimage.tree import Node, file


def agent_directory() -> Path:
    """Where the package `vmpod_agent` lies. Raises GuestImageError if it is not there."""
    directory = Path(vmpod.__file__).parent / "guest-agent" / "vmpod_agent"
    if not directory.is_dir():
        raise GuestImageError(
            "the guest agent is missing", hint="install vmpod again: its package is not complete"
        )
    return directory


def agent_sources(agent: Path) -> dict[str, bytes]:
    """The sources of the agent and of the parts of vmpod it may import, by path below sys.path's entry."""
    package = Path(vmpod.__file__).parent
    wire = package / "wire"
    sources = {f"vmpod_agent/{path.relative_to(agent)}": path for path in agent.rglob("*.py")}
    sources |= {f"vmpod/wire/{path.relative_to(wire)}": path for path in wire.rglob("*.py")}
    sources["vmpod/__init__.py"] = package / "__init__.py"
    return {name: path.read_bytes() for name, path in sorted(sources.items())}


def agent_archive(sources: dict[str, bytes], magic: bytes) -> bytes:
    """A cpio archive that holds the agent.

    magic: the bytecode version of the guest's Python. If it is the host's as well, the agent goes as
    bytecode; if not, as source, which the guest compiles at every boot.
    """
    compiled = magic == importlib.util.MAGIC_NUMBER
    files = dict(_compiled(name, data) if compiled else (name, file(data)) for name, data in sources.items())
    return archive({f"{AGENT}/{name}": node for name, node in files.items()})


def _compiled(name: str, source: bytes) -> tuple[str, Node]:
    """A module as bytecode in place of its source: one file to find, and no time stamps to compare."""
    code = compile(source, f"/run/vmpod/agent/{name}", "exec", dont_inherit=True, optimize=0)
    # PEP 552: flags 1 is a hash-based pyc whose hash nobody checks.
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    return f"{name}c", file(header + marshal.dumps(code))
