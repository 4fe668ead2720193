"""Text that others have made, shown on our user's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text without anything that could control a terminal, newlines included."""
    return "".join(character if character.isprintable() else "?" for character in text)


def printable_lines(text: str) -> str:
    """As printable(), but lines stay lines."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))
