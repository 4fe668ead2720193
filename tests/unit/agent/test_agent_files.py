"""Variables in files of volumes, and what is counted of what containers write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.harness import run_until
from vmpod_agent import envfile, storage
from vmpod_agent.loop import Loop
from vmpod_agent.reaper import Reaper


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A=b", {"A": "b"}),
        ("A='b c'", {"A": "b c"}),
        ('export A="b"', {"A": "b"}),
        ("A=", {"A": ""}),
        ("A='", {"A": "'"}),
        ("# A=b", {}),
        ("", {}),
        ("A", {}),
        (" A = b ", {"A": "b"}),
        ("A=b=c", {"A": "b=c"}),
    ],
)
def test_lines(line: str, expected: dict[str, str]) -> None:
    assert dict(envfile.parse(line)) == expected


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert all("\n" not in name + value for name, value in envfile.parse(text))


def test_the_last_of_a_name_counts_and_links_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/env").write_text("A=1\nB=2\nA=3\n")
    (tmp_path / "secret").write_text("A=stolen\n")
    (tmp_path / "volume/link").symlink_to(tmp_path / "secret")
    assert envfile.look_up(str(tmp_path / "volume"), "env", "A") == "3"
    assert envfile.look_up(str(tmp_path / "volume"), "env", "C") is None
    assert envfile.look_up(str(tmp_path / "volume"), "none", "A") is None
    with pytest.raises(OSError, match="Invalid cross-device link"):
        envfile.look_up(str(tmp_path / "volume"), "link", "A")


def test_what_lies_on_the_disk_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    empty = storage.used(str(tmp_path), 2**40)
    (tmp_path / "a/b/file").write_bytes(bytes(100_000))
    one = storage.used(str(tmp_path), 2**40)
    assert 100_000 <= one - empty < 200_000
    os.link(tmp_path / "a/b/file", tmp_path / "again")
    (tmp_path / "hole").symlink_to("/")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**30)
    assert storage.used(str(tmp_path), 2**40) - one < 20_000


def test_files_that_come_and_go_hide_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        (tmp_path / f"file{number}").write_bytes(bytes(10_000))
    before = storage.used(str(tmp_path), 2**40)
    listed = storage._entries

    def and_one_goes(directory: str) -> list[os.DirEntry[str]]:
        found = list(listed(directory))
        (tmp_path / "file5").unlink(missing_ok=True)
        return sorted(found, key=lambda each: each.name != "file5")

    monkeypatch.setattr(storage, "_entries", and_one_goes)
    assert before * 0.8 < storage.used(str(tmp_path), 2**40) < before


class Services:
    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.reaper = Reaper(loop)


@pytest.mark.parametrize("limit", [1000, 10_000_000])
def test_who_has_too_much_is_told_once(
    limit: int, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_EVERY", 0.01)
    (tmp_path / "file").write_bytes(bytes(100_000))
    told: list[str] = []
    rounds: list[int] = []

    def limits() -> storage.Limits:
        rounds.append(1)
        return [(str(tmp_path / "none"), 1, "never"), (str(tmp_path), limit, "too much")]

    services: Callable[[], Services] = lambda: Services(loop)  # noqa: E731
    storage.Watcher(services(), limits, told.append).start()  # type: ignore[arg-type]
    run_until(loop, lambda: bool(told) or len(rounds) > 3)
    assert told == (["too much"] if limit == 1000 else [])
