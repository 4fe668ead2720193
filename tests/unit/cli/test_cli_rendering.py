"""How things look: tables, sizes, ages, progress, and output line by line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpod.cli import output, render
from vmpod.cli.output import Printer
from vmpod.state.record import moment
from vmpod.text import printable, printable_lines
from vmpod.wire.journal import Entry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (100 * 1024, "100 KiB"),
        (1024**2, "1.0 MiB"),
        (38 * 1024**2, "38.0 MiB"),
        (223 * 1024**2, "223 MiB"),
        (1024**3, "1.0 GiB"),
        (5 * 1024**4, "5120 GiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert render.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m1s"),
        (3599, "59m59s"),
        (3600, "1h"),
        (3601, "1h"),
        (3660, "1h1m"),
        (86399, "23h59m"),
        (86400, "1d"),
        (86400 + 3600 * 5 + 60, "1d5h"),
        (400 * 86400, "400d"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert render.duration(seconds) == text


def test_ages() -> None:
    before = datetime.now(UTC) - timedelta(hours=3, minutes=12, seconds=30)
    assert render.age(before.isoformat()) == "3h12m"
    assert render.age(before.strftime("%Y-%m-%dT%H:%M:%SZ")) == "3h12m"
    assert render.age(before.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")) == "3h12m"
    assert render.age(before.astimezone().isoformat()) == "3h12m"
    assert render.age((before + timedelta(days=9)).isoformat()) == "0s"


def test_a_moment_is_written_as_everywhere() -> None:
    assert render.moment(1_700_000_000.9) == "2023-11-14T22:13:20Z" == moment(1_700_000_000.9)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "\x1b[31m"])
def test_what_is_no_moment_has_no_age(text: str) -> None:
    assert render.age(text) == "?"


@given(st.text(max_size=30) | st.datetimes().map(str) | st.dates().map(str))
def test_any_text_of_an_image_has_an_age_or_none(text: str) -> None:
    assert render.age(text)


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(["A", "LONG"], [["wide cell", ""], ["x", "y"]])
    assert capsys.readouterr().out == "A           LONG\nwide cell\nx           y\n"


@given(st.text())
def test_json_keeps_text_and_controls_nothing(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("click.echo", said.append)
        render.structured({text: [text]}, "json")
    (shown,) = said
    assert json.loads(shown) == {text: [text]}
    assert not any("\x7f" <= character <= "\x9f" for character in shown)


def test_what_a_template_gives_controls_no_terminal(tmp_path: Path) -> None:
    """Elsewhere it is exactly what the data has."""
    program = "from vmpod.cli import render; render.data('\\x1b[31mred\\x9b\\n')"
    piped = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert piped.stdout.decode() == "\x1b[31mred\x9b\n"
    master, slave = os.openpty()
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=slave, check=True)
    os.close(slave)
    assert os.read(master, 100) == b"?[31mred?\r\n"
    os.close(master)


@given(st.text())
def test_printable_text_keeps_its_length_and_controls_nothing(text: str) -> None:
    assert len(printable(text)) == len(text)
    assert printable(text).isprintable()
    assert all(line.isprintable() for line in printable_lines(text).split("\n"))
    assert printable_lines(text).count("\n") == text.count("\n")


# Output of containers.


def entry(content: bytes, *, partial: bool = False, source: str = "a/0", stream: str = "stdout") -> Entry:
    made = Entry("2026-01-31T12:00:00.000000000Z", stream, content, partial=partial)
    made.source = source
    return made


def test_a_prefix_starts_every_line_and_cuts_none(capfd: pytest.CaptureFixture[str]) -> None:
    printer = Printer(prefix=True)
    printer.show(entry(b"one ", partial=True))
    printer.show(entry(b"other", source="b/0"))
    printer.show(entry(b"two ", partial=True))
    assert capfd.readouterr().out == "b | other\n"
    printer.show(entry(b"three"))
    printer.show(entry(b"error", stream="stderr"), "pod")
    assert capfd.readouterr() == ("a | one two three\n", "pod/a | error\n")


def test_a_line_that_never_ends_is_shown_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    printer = Printer(prefix=True)
    printer.show(entry(b"$ ", partial=True))
    printer.finish()
    printer.finish()
    assert capfd.readouterr().out == "a | $ \n"


def test_runs_of_a_container_do_not_mix(capfd: pytest.CaptureFixture[str]) -> None:
    printer = Printer(prefix=True)
    printer.show(entry(b"first", partial=True, source="a/0"))
    printer.show(entry(b"second", source="a/1"))
    printer.finish()
    assert capfd.readouterr().out == "a | second\na | first\n"


@given(st.lists(st.tuples(st.binary(max_size=20).filter(lambda data: b"\n" not in data), st.booleans())))
def test_without_prefix_the_bytes_are_the_containers(pieces: list[tuple[bytes, bool]]) -> None:
    shown: list[bytes] = []
    printer = Printer(prefix=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "_write", lambda _stream, data: shown.append(data))
        for content, partial in pieces:
            printer.show(entry(content, partial=partial))
        printer.finish()
    assert b"".join(shown) == b"".join(content + (b"" if partial else b"\n") for content, partial in pieces)


def test_a_hostile_guest_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    monkeypatch.setattr(output, "_write", lambda _stream, data: shown.append(len(data)))
    printer = Printer(prefix=True)
    for number in range(2000):
        printer.show(entry(b"x" * 1000, partial=True, source=f"c{number}/0"))
        assert len(printer._partial) <= 256
    for _ in range(200):
        printer.show(entry(b"x" * 16384, partial=True))
    assert max(shown) < 2 * 1024 * 1024
    assert sum(map(len, printer._partial.values())) < 2 * 1024 * 1024


# Progress, on a terminal and off it.

SHOW = """\
from vmpod.cli.progress import progress
shown = progress(quiet={quiet})
with shown.phase("Pulling busybox") as phase:
    phase.update("1 of 2 MiB")
    phase.update("2 of 2 MiB")
try:
    with shown.phase("Booting"):
        raise KeyError
except KeyError:
    pass
"""


def show(*, quiet: bool, stderr: int) -> bytes:
    argv = [sys.executable, "-c", SHOW.format(quiet=quiet)]
    # Where CI is set nothing is written over.
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(argv, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=stderr, check=True)
    assert done.stdout == b"", "progress is no data"
    return done.stderr or b""


def test_off_a_terminal_progress_is_plain_lines() -> None:
    lines = show(quiet=False, stderr=subprocess.PIPE).decode().splitlines()
    assert lines[0] == "Pulling busybox ..."
    assert lines[1].startswith("Pulling busybox: ")
    assert lines[1].endswith(" s")
    assert lines[2:] == ["Booting ...", "Booting: failed"]


def test_on_a_terminal_a_phase_is_one_live_line() -> None:
    master, slave = os.openpty()
    show(quiet=False, stderr=slave)
    os.close(slave)
    said = b""
    # A terminal gives what it has in pieces, and an error at its end.
    with contextlib.suppress(OSError):
        while piece := os.read(master, 65536):
            said += piece
    os.close(master)
    assert said.count(b"\n") == 2
    assert b"\r\x1b[KPulling busybox: 1 of 2 MiB\r\x1b[KPulling busybox: 2 of 2 MiB\r\x1b[K" in said
    assert said.endswith(b"Booting: failed\r\n")


def test_quiet_says_nothing() -> None:
    assert show(quiet=True, stderr=subprocess.PIPE) == b""
