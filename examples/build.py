"""Makes the examples' container images from Debian packages and loads them into vmpod's store.

    python examples/build.py [--force] examples/nginx-php/images.toml

No registry and no container engine takes part: mmdebstrap fetches and unpacks the packages (as root or
not), what a container does not need is left out, and the rest becomes the one layer of an image. An image
may also hold what programs in those packages make of the example's own sources; nothing of that has to be
installed on this host. An archive whose recipe has not changed is not made again; --force makes it, to
take in newer packages.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))  # it runs before vmpod is installed, too

from examples.ociarchive import oci_archive  # noqa: E402
from vmpod.errors import VmpodError  # noqa: E402
from vmpod.guestimage.sources import apt_options, source_lines  # noqa: E402
from vmpod.run import failed, popen  # noqa: E402

ARCHIVES = TOP / "build" / "images"

# In no image: what packages carry for people and for other programs, and what apt left behind. The host's
# own names and resolver would come along as well; in a pod the machine's take their place.
DROPPED = (
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/lintian/*",
    "usr/share/bash-completion/*",
    "usr/lib/x86_64-linux-gnu/gconv/*",
    "usr/lib/systemd/*",
    "var/cache/*",
    "var/lib/apt/*",
    "var/lib/dpkg/*",
    "var/log/apt*",
    "etc/apt/*",
    "etc/fstab",
    "etc/hostname",
    "etc/resolv.conf",
    "dev/*",
)


@dataclass(frozen=True)
class Recipe:
    """One image; see the comments in nginx-php/images.toml and tomcat-war/images.toml for the fields."""

    name: str
    suite: str
    packages: tuple[str, ...]
    sources: Path | None
    run: tuple[str, ...]
    only: tuple[str, ...]
    drop: tuple[str, ...]
    keep: tuple[str, ...]
    copies: Mapping[str, str]
    links: Mapping[str, str]
    config: Mapping[str, Any]

    @property
    def archive(self) -> Path:
        """Where the image is kept: the name has a hash of all that decides the result but the packages."""
        files = [TOP / "examples" / name for name in ("build.py", "ociarchive.py")]
        if self.sources:
            files += sorted(path for path in self.sources.rglob("*") if path.is_file())
        fields = repr(replace(self, sources=None))  # a checkout may be anywhere
        digest = hashlib.sha256(fields.encode() + b"".join(path.read_bytes() for path in files)).hexdigest()[
            :12
        ]
        return ARCHIVES / f"{self.stem}-{digest}.tar"

    @property
    def stem(self) -> str:
        """The image's name without registry and tag."""
        return self.name.rpartition("/")[2].partition(":")[0]


def recipes(path: Path) -> list[Recipe]:
    """The images of an images.toml."""
    data = tomllib.loads(path.read_text())
    applets = dict.fromkeys(data["applets"], "busybox")
    return [
        Recipe(
            name=image["name"],
            suite=data["suite"],
            packages=tuple(image["packages"]),
            sources=path.parent / image["sources"] if "sources" in image else None,
            run=tuple(image.get("run", ())),
            only=tuple(image.get("only", ["*"])),
            drop=tuple(image.get("drop", ())),
            keep=tuple(image.get("keep", ())),
            copies=image.get("copies", {}),
            links=applets | image.get("links", {}),
            config=image["config"],
        )
        for image in data["image"]
    ]


def build(recipe: Recipe) -> None:
    """Make the image's archive."""
    say(f"{recipe.name}: fetching and unpacking {', '.join(recipe.packages)}")
    layer, began = io.BytesIO(), time.time()
    with (
        unpacked(recipe) as packages,
        tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as out,
    ):
        created = fill(out, packages, recipe, began=began)
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    oci_archive(recipe.archive, recipe.name, [layer.getvalue()], recipe.config, created=created)
    for old in ARCHIVES.glob(f"{recipe.stem}-*.tar"):
        if old != recipe.archive:
            old.unlink(missing_ok=True)
    say(f"{recipe.name}: {recipe.archive.stat().st_size >> 20} MiB in {recipe.archive.relative_to(TOP)}")


@contextmanager
def unpacked(recipe: Recipe) -> Iterator[IO[bytes]]:
    """The packages' files as a tar stream. Raises CommandError where mmdebstrap fails."""
    argv = mmdebstrap(recipe)
    with (
        tempfile.TemporaryFile() as messages,
        popen(argv, stdout=subprocess.PIPE, stderr=messages.fileno()) as process,
    ):
        assert process.stdout is not None
        whole = False
        with suppress(tarfile.ReadError):  # it ended early: mmdebstrap's status and words say why
            yield process.stdout
            whole = True
        while process.stdout.read(1 << 20):
            pass  # the padding after the last member
        if process.wait() != 0 or not whole:
            messages.seek(0)
            raise failed(argv[:1], process.returncode, messages.read())


def mmdebstrap(recipe: Recipe) -> list[str]:
    """The command line; the same mirrors and apt settings as for the guest image."""
    return [
        "mmdebstrap",
        "--mode=auto",
        "--variant=extract",
        "--format=tar",
        "--architectures=amd64",
        f"--include={','.join(recipe.packages)}",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        *(f"--extract-hook={hook}" for hook in hooks(recipe)),
        *(f"--aptopt={option}" for option in apt_options()),
        recipe.suite,
        "-",
        *source_lines(recipe.suite),
    ]


def hooks(recipe: Recipe) -> Iterator[str]:
    """What mmdebstrap does between unpacking and packing: the recipe's commands, in the tree."""
    if recipe.sources:
        yield f"copy-in {shlex.quote(str(recipe.sources.resolve()))} /"
        yield f'mv "$1"/{shlex.quote(recipe.sources.name)} "$1"/sources'
    for command in recipe.run:
        # The shell is busybox, the one that every image has; the packages' own is not set up.
        yield f'chroot "$1" /usr/bin/busybox sh -c {shlex.quote(f"cd /sources && {command}")}'


def fill(layer: tarfile.TarFile, packages: IO[bytes], recipe: Recipe, *, began: float) -> int:
    """Write the layer and return the time of its newest file, in seconds since the epoch.

    began: when the build did. SOURCE_DATE_EPOCH puts an upper limit on every time, as
    reproducible-builds.org defines it.
    """
    limit = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or (1 << 33)
    newest = 0
    sources = {source: target for target, source in recipe.copies.items()}
    with tarfile.open(fileobj=packages, mode="r|") as stream:
        for member in stream:
            member.name = member.name.removeprefix("./")
            data = (stream.extractfile(member) or io.BytesIO()).read() if member.isreg() else b""
            # Directories, and what the recipe's commands made, are as old as this build: the layer would be
            # another one each time.
            dated = member.isreg() and member.mtime < int(began)
            member.mtime = min(int(member.mtime), limit) if dated else 0
            if wanted(member, recipe):
                newest = max(newest, int(member.mtime))
                layer.addfile(member, io.BytesIO(data))
            if target := sources.get(member.name):
                layer.addfile(plain(target, len(data), newest), io.BytesIO(data))
    for target, source in recipe.links.items():
        layer.addfile(link(target, source))
    return newest


def wanted(member: tarfile.TarInfo, recipe: Recipe) -> bool:
    """Whether it goes into the image."""

    def matches(patterns: Iterable[str]) -> bool:
        return any(fnmatchcase(member.name, pattern) for pattern in patterns)

    dropped = tuple(pattern for pattern in DROPPED if pattern not in recipe.keep)
    return matches(recipe.only) and not matches((*dropped, *recipe.drop))


def plain(path: str, size: int, mtime: int) -> tarfile.TarInfo:
    """A file that root owns and everybody reads."""
    member = tarfile.TarInfo(path)
    member.size, member.mtime, member.mode = size, mtime, 0o644
    return member


def link(path: str, target: str) -> tarfile.TarInfo:
    """A symbolic link."""
    member = tarfile.TarInfo(path)
    member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
    return member


def say(words: str) -> None:
    """Tell the person who waits."""
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """Build what is missing and load everything."""
    parser = argparse.ArgumentParser(description="Make the container images of an example and load them.")
    parser.add_argument("recipe", type=Path, help="an images.toml")
    parser.add_argument("--force", action="store_true", help="make them again, from today's packages")
    options = parser.parse_args()
    try:
        for recipe in recipes(options.recipe):
            if options.force or not recipe.archive.exists():
                build(recipe)
            # Cheap where the store has this very image already.
            subprocess.run([TOP / "dev", "vmpod", "image", "load", recipe.archive], check=True)
    except VmpodError as error:
        say(f"{options.recipe}: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
