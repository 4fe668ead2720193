"""Asks an agent that has not been heard of whether it lives."""

from __future__ import annotations

from typing import Any

from vmpod.client.session import Session, session
from vmpod.errors import VmpodError
from vmpod.log import logger
from vmpod.state.store import PodEntry
from vmpod.wire import messages

_PATIENCE = 3.0  # seconds; an agent that lives answers within milliseconds, or a second on a busy host
_MOST = 10_000  # events; a pod has one for each container, and one for itself


def ask(entry: PodEntry) -> list[dict[str, Any]] | None:
    """The events that tell the pod's state; None if its agent does not answer."""
    try:
        with session(entry.record.sockets, timeout=_PATIENCE) as found:
            return _all_events(found)
    except (VmpodError, messages.MessageError) as error:
        logger.debug("the agent of %s: %s", entry.record.key, error)
        return None


def _all_events(session: Session) -> list[dict[str, Any]]:
    """As many answers as it takes: each is one frame."""
    events: list[dict[str, Any]] = []
    while True:
        answer = session.request(messages.STATUS, {"first": len(events)}, timeout=_PATIENCE)
        some = messages.get_list(answer, "events", dict)
        events += some
        if not some or len(events) > _MOST or not messages.get_optional(answer, "more", bool, False):
            return events
