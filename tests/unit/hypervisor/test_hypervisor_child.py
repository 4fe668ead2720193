"""Work done in a child process comes back as if it were done here."""

from __future__ import annotations

import os
import signal

import pytest

from vmpod.errors import ConflictError, HypervisorError
from vmpod.hypervisor.child import in_child


def test_result_from_another_process() -> None:
    """The function runs elsewhere, and its result is ours."""
    assert in_child(os.getpid) != os.getpid()
    assert in_child(lambda: {"pid": 7}) == {"pid": 7}


def test_an_error_comes_with_its_hint() -> None:
    """As it was raised."""

    def refuse() -> None:
        raise ConflictError("taken", hint="take another")

    with pytest.raises(ConflictError, match="taken") as caught:
        in_child(refuse)
    assert caught.value.hint == "take another"


def test_a_fault_tells_where_it_arose() -> None:
    """The child's own stack is not lost."""
    with pytest.raises(ZeroDivisionError) as caught:
        in_child(lambda: 1 // 0)
    assert any("1 // 0" in note for note in caught.value.__notes__)


def test_a_child_that_dies() -> None:
    """Is told, and not waited for."""
    with pytest.raises(HypervisorError, match="without a word"):
        in_child(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_terminal_signals_are_the_parents() -> None:
    """Work that has begun is finished, so that it can be undone as a whole."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def work() -> str:
        for number in numbers:
            os.kill(os.getpid(), number)
        return "done"

    assert in_child(work) == "done"


def test_no_child_is_left() -> None:
    """Every child has been waited for."""
    in_child(os.getpid)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
