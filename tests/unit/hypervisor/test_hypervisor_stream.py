"""A stream of QEMU is taken apart: the memory's pages into a file, all else as it was."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from vmpod.hypervisor.stream import StreamError, split

PAGE = 4096
HEAD = struct.pack(">IIB", 0x5145564D, 3, 7) + struct.pack(">I", 3) + b"q35"
CAPABILITIES = b"\x05\x1aconfiguration/capabilities" + struct.pack(">II", 1, 1) + b"\x0fx-ignore-shared"
DEVICES = b"\x04" + struct.pack(">I", 7) + b"\x03cpu" + bytes(8) + b"state" * 1000
END = struct.pack(">Q", 0x10)


def string(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def sizes(*blocks: tuple[bytes, int]) -> bytes:
    told = b"".join(string(name) + struct.pack(">QQ", size, 0) for name, size in blocks)
    return struct.pack(">Q", sum(size for _, size in blocks) | 0x04) + told + END


def start(name: bytes = b"ram") -> bytes:
    return b"\x01" + struct.pack(">I", 2) + string(name) + struct.pack(">II", 0, 4)


def part(*records: bytes, kind: int = 2) -> bytes:
    return bytes([kind]) + struct.pack(">I", 2) + b"".join(records) + END + FOOTER


FOOTER = b"\x7e" + struct.pack(">I", 2)


def page(at: int, fill: int, block: bytes = b"") -> bytes:
    content = bytes([fill]) * PAGE if fill else b"\0"
    flags = (0x08 if fill else 0x02) | (0 if block else 0x20)
    return struct.pack(">Q", at | flags) + (string(block) if block else b"") + content


def whole(*sections: bytes, memory: bytes = b"pc.ram") -> bytes:
    blocks = ((memory, 4 * PAGE), (b"rom", 2 * PAGE))
    return HEAD + CAPABILITIES + start() + sizes(*blocks) + FOOTER + b"".join(sections) + DEVICES


def taken_apart(stream: bytes, tmp_path: Path) -> tuple[bytes, bytes]:
    path = tmp_path / "memory"
    with path.open("w+b") as memory:
        memory.truncate(4 * PAGE)
        state = split(io.BufferedReader(io.BytesIO(stream)), memory.fileno(), b"copy")
    return state, path.read_bytes()


def test_pages_of_the_memory_go_into_the_file_and_all_others_stay(tmp_path: Path) -> None:
    memory = [page(0, 1, b"pc.ram"), page(PAGE, 0), page(3 * PAGE, 4)]
    rom = [page(0, 9, b"rom"), page(PAGE, 0)]
    # A section goes on with the block of the one before.
    stream = whole(part(*memory), part(page(2 * PAGE, 3), *rom), part(page(0, 8), kind=3))
    state, content = taken_apart(stream, tmp_path)
    assert content == b"\1" * PAGE + bytes(PAGE) + b"\3" * PAGE + b"\4" * PAGE
    assert state == whole(part(), part(*rom), part(page(0, 8), kind=3), memory=b"copy")


def test_runs_of_pages_longer_than_are_written_at_once(tmp_path: Path) -> None:
    count = 600
    records = [page(number * PAGE, 1 + number % 255, b"" if number else b"pc.ram") for number in range(count)]
    blocks = sizes((b"pc.ram", count * PAGE))
    stream = HEAD + start() + blocks + FOOTER + part(*records, kind=3) + DEVICES
    state, content = taken_apart(stream, tmp_path)
    assert content == b"".join(bytes([1 + number % 255]) * PAGE for number in range(count))
    assert state.endswith(DEVICES)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"", "ends early"),
        (struct.pack(">II", 0x5145564D, 4), "unknown format"),
        (HEAD + b"\x05\x01x" + bytes(4), "'x'"),
        (HEAD + b"\x09", "kind 9"),
        (HEAD + start(b"block"), "before the memory"),
        (HEAD + start() + struct.pack(">Q", 4096), "sizes"),
        (whole(part(struct.pack(">Q", 0x40))), "0x40"),
        (whole(part(page(0, 1, b"pc.ram")))[: -len(DEVICES) - 200], "ends early"),
    ],
)
def test_what_is_not_known_is_refused(stream: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=words):
        taken_apart(stream, tmp_path)
