"""Ends of names that are made up, as an API server makes them up."""

from __future__ import annotations

import secrets

from vmpod.spec.jobpods import SUFFIX

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # of which no words are made


def random_suffix() -> str:
    """Letters and digits that hardly any other name ends with."""
    return "".join(secrets.choice(_LETTERS) for _ in range(SUFFIX))
