"""Values that may be secret: in the boot document only by reference, here in memory."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmpod.wire.boot import Value


class Secrets:
    """What the host sent over the channel, by id."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def text(self, value: Value) -> str:
        """The value itself. Raises KeyError if the host did not send the secret."""
        return value if isinstance(value, str) else self._values[value["secret"]]
