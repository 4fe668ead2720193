"""Asks an agent that has not been heard of whether it lives."""

from __future__ import annotations

from typing import Any

from vmpod.client.session import session
from vmpod.errors import VmpodError
from vmpod.log import logger
from vmpod.state.store import PodEntry
from vmpod.wire import messages

_PATIENCE = 3.0  # seconds; an agent that lives answers within milliseconds, or a second on a busy host


def ask(entry: PodEntry) -> list[dict[str, Any]] | None:
    """The events that tell the pod's state; None if its agent does not answer."""
    try:
        with session(entry.record.sockets, timeout=_PATIENCE) as found:
            answer = found.request(messages.STATUS, {}, timeout=_PATIENCE)
        return messages.get_list(answer, "events", dict)
    except (VmpodError, messages.MessageError) as error:
        logger.debug("the agent of %s: %s", entry.record.key, error)
        return None
