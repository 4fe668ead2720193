#!/usr/bin/env python3
"""How fast an image of 200 MB becomes a disk, against `umoci unpack` of the same image.

Each round measures, one after the other, and to a place of its own that did not exist:
    load    `vmpod image load` of an OCI layout with gzip layers: a squashfs disk, checked and synced
    umoci   `umoci unpack` of the same: a directory with the files

    bench/image.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import common
from tests.unit.oci.images import Layout, MadeImage, named

TOTAL = 200_000_000
SMALL_FILES = 20_000
_SEED = 1


def content(source: random.Random, size: int) -> bytes:
    """Bytes of which a third is noise, and the rest repeats: gzip makes some 40 % of it, as of programs."""
    noise = source.randbytes(size // 3 + 1)
    return (noise + noise[: len(noise) // 2] * 5)[:size]


def members(source: random.Random) -> Iterator[tuple[str, bytes]]:
    """Many small files in many directories, half of all bytes, and ten large ones."""
    half = TOTAL // 2
    for number in range(SMALL_FILES):
        yield f"usr/share/d{number % 500:03}/f{number:05}", content(source, half // SMALL_FILES)
    for number in range(10):
        yield f"usr/lib/large{number}", content(source, half // 10)


def make_layout(directory: Path) -> Path:
    """An OCI layout with the image `x`, the same in every run: two layers, gzip."""
    source = random.Random(_SEED)
    layers = [io.BytesIO(), io.BytesIO()]
    with (
        tarfile.open(fileobj=layers[0], mode="w") as small,
        tarfile.open(fileobj=layers[1], mode="w") as large,
    ):
        for number, (name, data) in enumerate(members(source)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            (small if number < SMALL_FILES else large).addfile(info, io.BytesIO(data))
    blobs = [layer.getvalue() for layer in layers]
    layout = Layout(directory)
    layout.write(
        layout.manifest(MadeImage(blobs), packed=[gzip.compress(blob, 6) for blob in blobs], **named("x"))
    )
    return layout.root


def load(layout: Path, target: Path) -> list[str]:
    """Our command."""
    os.environ["VMPOD_HOME"] = str(target)
    return [sys.executable, "-m", "vmpod", "image", "load", "--quiet", str(layout)]


def umoci(layout: Path, target: Path) -> list[str]:
    """umoci's command."""
    rootless = ["--rootless"] if os.geteuid() else []
    return ["umoci", "unpack", *rootless, "--image", f"{layout}:x", str(target)]


def one(command: Callable[[Path, Path], list[str]], layout: Path, target: Path) -> float:
    """One run; what it made is removed."""
    argv = command(layout, target)
    os.sync()
    taken = common.seconds(argv, stderr=subprocess.DEVNULL)
    shutil.rmtree(target)
    return taken


def run(rounds: int) -> common.Taken:
    """The seconds of every round, by name."""
    with tempfile.TemporaryDirectory() as name:
        layout = make_layout(Path(name) / "layout")
        every = {
            key: partial(one, command, layout, Path(name) / key)
            for key, command in (("load", load), ("umoci", umoci))
        }
        return common.rounds(every, rounds)


def report(taken: common.Taken) -> None:
    """Print medians, spreads and the ratio."""
    print(common.machine())
    for name, values in taken.items():
        print(f"{common.line(name, values)}, {TOTAL / 1e6 / statistics.median(values):.1f} MB/s")
    ratio = statistics.median(taken["umoci"]) / statistics.median(taken["load"])
    print(f"load is {ratio:.2f} times as fast, of the medians")


def main() -> None:
    options = common.options(__doc__).parse_args()
    taken = run(options.rounds)
    report(taken)
    common.write(options, taken)


if __name__ == "__main__":
    main()
