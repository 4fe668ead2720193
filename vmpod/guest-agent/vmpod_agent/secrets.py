"""Values that may be secret: in the boot document only by reference, here in memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmpod.wire.boot import Value


class Secrets:
    """What the host sent over the channel, by id."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self._later: set[str] = set()

    def text(self, value: Value) -> str:
        """The value itself. Raises KeyError if the host did not send the secret."""
        return value if isinstance(value, str) else self._values[value["secret"]]

    def values(self) -> set[str]:
        """All of them, also those that have come later."""
        return {*self._values.values(), *self._later}

    def learn(self, values: Iterable[str]) -> None:
        """Take note of values that have taken the place of secret ones."""
        self._later.update(values)
