"""`vmpod diag`, and what `vmpod run` takes for CI."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Vmpod
from tests.unit.cli.test_cli_full_disk import fill, small


@pytest.mark.skipif(os.geteuid() != 0, reason="a small filesystem needs root")
def test_a_full_disk_gives_clear_words_and_leaves_nothing(vmpod: Vmpod, tmp_path: Path) -> None:
    failures = tmp_path / "home/state/failures"
    failures.mkdir(parents=True)
    (failures / "web.log").write_bytes(os.urandom(200_000).hex().encode())
    with small(tmp_path / "full", "256k") as full:
        fill(full / "filler")
        result = vmpod("diag", "web", "-q", "-o", full / "r.tar.gz")
        assert result.status == 125
        assert f"the record cannot be written to {full / 'r.tar.gz'}: No space left" in result.err
        assert "[disk-full]" in result.err
        assert result.out == ""
        assert [path.name for path in full.iterdir()] == ["filler"]


def test_the_command_prints_the_name_and_writes_where_it_is_told(
    vmpod: Vmpod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = tmp_path / "home/state/failures"
    failures.mkdir(parents=True)
    (failures / "web.log").write_text("x")
    monkeypatch.chdir(tmp_path)
    result = vmpod("diag", "web")
    (written,) = tmp_path.glob("vmpod-diag-web-*.tar.gz")
    assert (result.status, result.out) == (0, f"{written.name}\n")
    assert "Looking at this host: " in result.err
    assert vmpod("diag", "web", "-q", "-o", "/dev/null").status == 0
    assert stat.S_IMODE(Path("/dev/null").stat().st_mode) == 0o666
    assert vmpod("diag", "nobody").status == 125
    assert "no-such" in vmpod("diag", "web", "-o", "/no-such/x").err


@pytest.mark.parametrize("text", ["a:/r", "/r=out"])
def test_what_is_no_place_to_copy_from_is_refused(text: str, vmpod: Vmpod) -> None:
    result = vmpod("run", "--copy-out", text, "/no/file")
    assert result.status == 125
    assert "is not CONTAINER:PATH=DIRECTORY" in result.err


def test_copying_out_needs_somebody_who_waits(vmpod: Vmpod) -> None:
    result = vmpod("run", "-d", "--copy-out", "a:/r=out", "/no/file")
    assert "--copy-out needs somebody who waits for the pod's end" in result.err
