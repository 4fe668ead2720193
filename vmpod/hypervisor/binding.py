"""libvirt's Python binding: whether it is there, and can be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from vmpod.errors import MissingProgramError, mending
from vmpod.packages import LIBVIRT_BINDING, LIBVIRT_DRIVER, install


def check_binding() -> None:
    """Raise MissingProgramError if it is not installed; it is not imported for that."""
    if find_spec("libvirt") is None or find_spec("libvirt_qemu") is None:
        mend = (*install(LIBVIRT_BINDING), "pip install libvirt-python  # where vmpod is installed")
        raise MissingProgramError("libvirt's Python binding is not installed", hint=mending("libvirt", *mend))


@contextmanager
def importing() -> Iterator[None]:
    """For imports of what needs libvirt. Raises MissingProgramError where it is half installed."""
    try:
        yield
    except ImportError as error:
        mend = install(LIBVIRT_BINDING, LIBVIRT_DRIVER)
        told = f"libvirt cannot be loaded: {error}"
        raise MissingProgramError(told, hint=mending("libvirt", *mend)) from None
