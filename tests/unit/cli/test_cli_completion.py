"""What shells complete."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Vmpod
from tests.unit.state.records import keep, record
from vmpod.state.store import PodStore

TOP = Path(__file__).parents[3]


@pytest.fixture
def program(tmp_path: Path, pods: PodStore) -> Path:
    """`vmpod` as a program in a directory of its own, and two pods for it."""
    keep(pods, record("website"))
    keep(pods, record("other", namespace="shop"))
    made = tmp_path / "bin/vmpod"
    made.parent.mkdir()
    made.write_text(f'#!/bin/sh\nPYTHONPATH={TOP} exec {shlex.quote(sys.executable)} -m vmpod "$@"\n')
    made.chmod(0o755)
    return made


def complete(program: Path, line: str) -> list[str]:
    """What bash would offer at the end of the line."""
    script = f"""
        source <(vmpod completion bash)
        COMP_LINE={shlex.quote(line)}
        IFS=' ' read -r -a COMP_WORDS <<< "$COMP_LINE"
        [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _vmpod_completion vmpod "${{COMP_WORDS[COMP_CWORD]}}" ""
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes_names(program: Path) -> None:
    assert complete(program, "vmpod logs we") == ["website"]
    assert complete(program, "vmpod rm ") == ["shop/other", "website"]
    assert complete(program, "vmpod logs website -c ") == ["a", "b", "i"]
    assert "describe" in complete(program, "vmpod des")
    assert complete(program, "vmpod run --accel t") == ["tcg"]


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_where_something_is_wrong_nothing_is_offered(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMPOD_HOME", "/dev/null/nowhere")
    assert complete(program, "vmpod logs we") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell: str, vmpod: Vmpod) -> None:
    result = vmpod("completion", shell)
    assert result.status == 0
    assert "_VMPOD_COMPLETE" in result.out


def test_options_from_the_environment(vmpod: Vmpod, pods: PodStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(pods, record("website"))
    assert vmpod("get", "-q").out == "website\n"
    monkeypatch.setenv("VMPOD_GET_SELECTOR", "no=such")
    assert vmpod("get", "-q").out == ""
    assert vmpod("get", "-q", "-l", "x=y").out == "website\n"
