"""What the agent loads at boot: every module delays the pod."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

FORBIDDEN = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "dataclasses",
    "enum",
    "functools",
    "importlib",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "re",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "traceback",
    "typing",
    "warnings",
}

PROGRAM = """\
import sys
sys.path[:0] = {paths!r}
before = set(sys.modules)
import {module}
print(*sorted(set(sys.modules) - before))
"""


def loaded(module: str) -> set[str]:
    """The modules that importing one loads into a bare Python."""
    program = PROGRAM.format(paths=[str(ROOT), str(ROOT / "vmpod/guest-agent")], module=module)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, check=True)
    return set(done.stdout.decode().split())


def test_pid_1_loads_little() -> None:
    found = loaded("vmpod_agent.main")
    assert {name.partition(".")[0] for name in found} & FORBIDDEN == set()
    others = {name for name in found if not name.startswith(("vmpod", "_"))}
    assert len(others) < 25, sorted(others)


def test_what_only_an_exec_needs_comes_later() -> None:
    own = {"vmpod_agent.exec", "vmpod_agent.join", "vmpod_agent.relay"}
    assert not loaded("vmpod_agent.main") & {"vmpod_agent.probes", "vmpod_agent.actions", "vmpod_agent.dial"}
    assert not loaded("vmpod_agent.probes") & FORBIDDEN
    assert not loaded("vmpod_agent.main") & (own | {"termios"})
    assert own < loaded("vmpod_agent.exec")
    assert not loaded("vmpod_agent.exec") & FORBIDDEN


def test_a_typical_forbidden_module_would_be_seen() -> None:
    assert "json" in loaded("json.tool")
