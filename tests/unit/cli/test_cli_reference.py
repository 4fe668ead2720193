"""docs/cli.md and docs/man are what the commands say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.test_cli_command_line import ALL
from vmpod.cli.reference.manual import roff
from vmpod.cli.reference.markdown import escaped
from vmpod.cli.reference.write import DOCS, files, write

MEND = "docs/cli.md or docs/man are stale; `.venv/bin/python -m vmpod.cli.reference` writes them anew"
PAGES = sorted((DOCS / "man").glob("*.1"))


def test_the_reference_is_up_to_date() -> None:
    wanted = files()
    found = {str(path.relative_to(DOCS)): path.read_text() for path in [*PAGES, DOCS / "cli.md"]}
    assert sorted(found) == sorted(wanted), MEND
    assert not [name for name, content in wanted.items() if found[name] != content], MEND


def test_every_command_and_option_is_in_it() -> None:
    whole = files()
    for path, command in ALL.items():
        page = whole[f"man/vmpod-{'-'.join(path)}.1"]
        assert f"## vmpod {' '.join(path)}\n" in whole["cli.md"]
        for option in (opt for each in command.params for opt in each.opts if opt.startswith("--")):
            assert roff(option) in page
            assert option in whole["cli.md"]


def test_links_lead_somewhere() -> None:
    text = files()["cli.md"]
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", text, re.MULTILINE)}
    links = re.findall(r"\(#([^)]*)\)", text)
    assert len(links) > len(ALL)
    assert set(links) <= titles
    for page in PAGES:
        for name in re.findall(r"\\fB(vmpod[a-z\\-]*)\\fR\(1\)", page.read_text()):
            assert (DOCS / "man" / f"{name.replace(chr(92), '')}.1").exists()


def test_writing_removes_pages_of_commands_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "vmpod-gone.1").touch()
    write(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == set(files())


def test_text_means_itself() -> None:
    assert roff(".so x\n'y") == "\\&.so x\n.br\n\\&'y"
    assert roff(r"a\fBb -o `ls -l`") == r"a\efBb \-o \fBls \-l\fR"
    assert escaped("a*b <c> `d|*` [e]|") == r"a\*b \<c\> `d|*` \[e\]\|"


def test_the_environment_of_who_writes_it_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    for name, value in (("VMPOD_ACCEL", "kvm"), ("VMPOD_CONNECT", "qemu:///x"), ("COLUMNS", "40")):
        monkeypatch.setenv(name, value)
    assert files() == before


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_man_reads_every_page_without_complaint() -> None:
    for page in PAGES:
        # --warnings: groff tells what it does not understand on stderr.
        argv = ["man", "--warnings", "--encoding=ascii", "--local-file", str(page)]
        env = {"MANWIDTH": "80", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
        assert done.stderr == "", page.name
        assert f"{page.stem} - " in " ".join(done.stdout.replace("\N{MINUS SIGN}", "-").split())


def test_it_is_written_by_one_command(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "vmpod.cli.reference", str(tmp_path)], cwd=DOCS.parent, check=True)
    assert (tmp_path / "cli.md").read_text() == (DOCS / "cli.md").read_text()
