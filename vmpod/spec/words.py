"""The wording that messages about a manifest share."""

from __future__ import annotations

from collections.abc import Collection

_LONGEST_SHOWN = 60
_MOST_COMPARED = 200


def shown(text: str) -> str:
    """A string from the manifest, quoted and cut for a message."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")


def nearest(name: str, known: Collection[str]) -> str:
    """'; did you mean X?' if some known name is close, else ''."""
    # Long names are no slips of the hand, and comparing is slow.
    if len(name) > _LONGEST_SHOWN or len(known) > _MOST_COMPARED:
        return ""
    # Only faults need it.
    import difflib  # noqa: PLC0415

    same = [candidate for candidate in known if candidate.lower() == name.lower()]
    close = same or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def either(words: tuple[str, ...]) -> str:
    """'A, B or C'."""
    quoted = [word or "''" for word in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
