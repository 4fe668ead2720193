"""Collects what is wrong with a manifest, so that the user sees every fault at once."""

from __future__ import annotations

from vmpod.errors import ManifestError, Problem

# A hostile file could hold a fault a line; nobody reads the thousandth.
MAX_PROBLEMS = 200


class Report:
    """The faults and the notes of one input.

    source: the file as the user named it.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def problem(self, line: int, path: str, message: str) -> None:
        """Note a fault and go on. Raises ManifestError when there are too many to go on."""
        self.problems.append(Problem(self.source, line, path, message))
        if len(self.problems) >= MAX_PROBLEMS:
            more = Problem(self.source, 0, "", "there may be more faults: these are the first")
            raise ManifestError([*self.in_order(), more])

    def fatal(self, line: int, message: str) -> ManifestError:
        """The error for a fault that makes it pointless to read on."""
        self.problems.append(Problem(self.source, line, "", message))
        return ManifestError(self.in_order())

    def in_order(self) -> list[Problem]:
        """The problems by line; those of one line in the order in which they were found."""
        return sorted(self.problems, key=lambda problem: problem.line)

    def check(self) -> None:
        """Raise ManifestError if any fault was noted."""
        if self.problems:
            raise ManifestError(self.in_order())
