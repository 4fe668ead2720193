"""How large an image may be before it is taken for an attack, or for a mistake."""

from __future__ import annotations

import os

from vmpod.errors import ImageError, UsageError
from vmpod.spec import quantity

VARIABLE = "VMPOD_MAX_IMAGE_SIZE"
DEFAULT = 32 << 30
"""A file of zeros is an image like any other up to here: it costs a minute and next to no space."""


def max_size() -> int:
    """Bytes that all files of all layers of an image, not compressed, may have together.

    Raises UsageError if the variable holds something else than a quantity.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return DEFAULT
    try:
        size = quantity.whole(quantity.parse(text))
    except ValueError as error:
        raise UsageError(f"{VARIABLE}={text!r}: {error}", hint=f"for example: {VARIABLE}=32Gi") from None
    if size <= 0:
        raise UsageError(f"{VARIABLE}={text!r}: must be more than nothing")
    return size


def too_large(what: str, limit: int) -> ImageError:
    """The error for something beyond the limit. what: as in 'x.tar: unpacks'."""
    return ImageError(
        f"{what} to more than {limit} bytes",
        hint=f"if you trust it, allow more: {VARIABLE}={2 * max(1, limit >> 30)}Gi",
    )
