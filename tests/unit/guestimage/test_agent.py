"""The agent's part of the initrd."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from vmpod.guestimage.agent import agent_archive, agent_directory, agent_sources


def unpacked(magic: bytes, sources: dict[str, bytes], into: Path) -> Path:
    subprocess.run(["cpio", "-idm", "--quiet"], input=agent_archive(sources, magic), cwd=into, check=True)
    return into / "agent"


def imports(path: Path) -> str:
    code = f"import sys; sys.path.insert(0, {str(path)!r})\n"
    code += "import vmpod_agent.part as part; print(part.WORD, part.__file__)"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout


SOURCES = {"vmpod_agent/__init__.py": b"", "vmpod_agent/part.py": b"WORD = 'hello'\n"}


def test_bytecode_for_the_same_python(tmp_path: Path) -> None:
    path = unpacked(importlib.util.MAGIC_NUMBER, SOURCES, tmp_path)
    assert imports(path) == f"hello {path}/vmpod_agent/part.pyc\n"


def test_sources_for_another_python(tmp_path: Path) -> None:
    path = unpacked(b"\x01\x02\r\n", SOURCES, tmp_path)
    assert imports(path) == f"hello {path}/vmpod_agent/part.py\n"


def test_the_agent_brings_what_it_imports_and_no_more(tmp_path: Path) -> None:
    sources = agent_sources(agent_directory())
    assert "vmpod_agent/__main__.py" in sources
    outside = {name for name in sources if not name.startswith(("vmpod_agent/", "vmpod/wire/"))}
    assert outside == {"vmpod/__init__.py"}
    path = unpacked(importlib.util.MAGIC_NUMBER, sources, tmp_path)
    code = f"import sys; sys.path.insert(0, {str(path)!r}); import vmpod_agent.main"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
