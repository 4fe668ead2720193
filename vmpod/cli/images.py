"""How container images look in lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from vmpod.cli import render
from vmpod.cli.listing import Kind, label_filter, text_filter, time_filter, truth_filter
from vmpod.errors import UsageError
from vmpod.oci.model import Image
from vmpod.text import printable


def _rows(image: Image) -> list[list[str]]:
    # A reproducible build has no time of its own, and says so by the epoch's.
    dated = image.created and not image.created.startswith("1970-")
    created = f"{render.age(image.created)} ago" if dated else "-"
    cells = [_hex(image)[:12], created, render.size(image.disk_size)]
    return [
        [name, *cells, printable(image.architecture), image.digest] for name in image.names or ("<none>",)
    ]


def _json(image: Image) -> dict[str, object]:
    return {
        "digest": image.digest,
        "names": list(image.names),
        "created": image.created,
        "architecture": image.architecture,
        "size": image.disk_size,
        "disk": str(image.disk),
    }


def _hex(image: Image) -> str:
    return image.digest.removeprefix("sha256:")


def _created(image: Image) -> float:
    from vmpod.cli.moments import epoch  # noqa: PLC0415 - rarely used

    try:
        return epoch(image.created)
    except (ValueError, OverflowError):
        return 0.0


def _has_id(image: Image, text: str) -> bool:
    digits = text.removeprefix("sha256:")
    return bool(digits) and _hex(image).startswith(digits)


def _has_reference(image: Image, pattern: str) -> bool:
    """A pattern for a whole name, or for what is left without its registry, path or tag."""
    return any(
        fnmatchcase(part, pattern)
        for name in image.names
        for whole in (name, name.rpartition("@")[0] or name.rpartition(":")[0])
        for part in _tails(whole)
    )


def _tails(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _made(*, before: bool) -> Callable[[str, Sequence[Image]], Callable[[Image], bool]]:
    """Made before, or after, another image of the list, given by a name or id."""

    def make(text: str, images: Sequence[Image]) -> Callable[[Image], bool]:
        other = next((each for each in images if _has_id(each, text) or _has_reference(each, text)), None)
        if other is None:
            raise UsageError(f"--filter: there is no image {text!r}", hint="see: vmpod image ls")
        limit = _created(other)
        return lambda image: _created(image) < limit if before else _created(image) > limit

    return make


IMAGES: Kind[Image] = Kind(
    list_kind="ImageList",
    header=["NAME", "ID", "CREATED", "SIZE", "ARCH", "DIGEST"],
    narrow=4,
    rows=_rows,
    to_json=_json,
    names=lambda image: image.names or (image.digest,),
    ids=lambda image: [image.digest],
    labels=lambda image: image.config.labels,
    filters={
        "reference": text_filter(_has_reference),
        "id": text_filter(_has_id),
        "label": label_filter(lambda image: image.config.labels),
        "dangling": truth_filter(lambda image: not image.names),
        "before": _made(before=True),
        "since": _made(before=False),
        "until": time_filter(_created, before=True),
    },
)
