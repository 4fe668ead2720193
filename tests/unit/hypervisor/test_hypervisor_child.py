"""Work done in a child process comes back as if it were done here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from vmpod.errors import ConflictError, HypervisorError
from vmpod.hypervisor import ahead
from vmpod.hypervisor.base import nothing
from vmpod.hypervisor.child import Tell, in_child


def _pid(_tell: Tell) -> int:
    return os.getpid()


def _same(_tell: Tell, value: object) -> object:
    return value


def test_result_from_another_process() -> None:
    """The function runs elsewhere, and its result is ours."""
    assert in_child(_pid, nothing) != os.getpid()
    assert in_child(_same, nothing, {"pid": 7}) == {"pid": 7}


def _refuse(_tell: Tell) -> None:
    raise ConflictError("taken", hint="take another")


def test_an_error_comes_with_its_hint() -> None:
    """As it was raised."""
    with pytest.raises(ConflictError, match="taken") as caught:
        in_child(_refuse, nothing)
    assert caught.value.hint == "take another"


def _divide(_tell: Tell) -> float:
    return 1 // 0


def test_a_fault_tells_where_it_arose() -> None:
    """The child's own stack is not lost."""
    with pytest.raises(ZeroDivisionError) as caught:
        in_child(_divide, nothing)
    assert any("1 // 0" in note for note in caught.value.__notes__)


def _die(_tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_child_that_dies() -> None:
    """Is told, and not waited for."""
    with pytest.raises(HypervisorError, match="without a word"):
        in_child(_die, nothing)


def test_a_child_that_died_before_it_was_asked() -> None:
    ahead.begin()
    (child, _, _) = ahead._waiting[0]
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    with pytest.raises(HypervisorError, match="without a word"):
        in_child(_pid, nothing)


def _signal_itself(_tell: Tell) -> str:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return "done"


def test_terminal_signals_are_the_parents() -> None:
    """Work that has begun is finished, so that it can be undone as a whole."""
    assert in_child(_signal_itself, nothing) == "done"


def _count(tell: Tell) -> str:
    for number in range(3):
        tell(number)
    return "counted"


def test_it_tells_on_its_way() -> None:
    heard: list[int] = []
    assert in_child(_count, heard.append) == "counted"
    assert heard == [0, 1, 2]


def _wait_to_fail(tell: Tell, path: str) -> None:
    tell("first")
    try:
        while True:
            time.sleep(0.01)
            tell("more")
    except BrokenPipeError:
        Path(path).write_text("undone")


def test_who_does_not_want_to_hear_more_ends_it(tmp_path: Path) -> None:
    """The child learns of it with its next word, and can undo what it has begun."""

    def refuse(_value: object) -> None:
        raise ConflictError("enough")

    path = tmp_path / "told"
    with pytest.raises(ConflictError, match="enough"):
        in_child(_wait_to_fail, refuse, str(path))
    assert path.read_text() == "undone"


def test_no_child_is_left() -> None:
    """Every child has been waited for."""
    in_child(_pid, nothing)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_one_that_was_forked_ahead_is_the_one_that_works() -> None:
    ahead.begin()
    (child, _, _) = ahead._waiting[0]
    assert in_child(_pid, nothing) == child
    assert not ahead._waiting


def test_one_that_is_not_wanted_ends() -> None:
    ahead.begin()
    ahead.dismiss()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    ahead.dismiss()
