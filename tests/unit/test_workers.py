"""Several things at once, each in a process of its own."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from vmpod.errors import UsageError
from vmpod.workers import CalledOffError, Outcome, WorkerDiedError, at_once

Value = tuple[object, Sequence[int]]


def nobody(outcome: object) -> NoReturn:
    raise AssertionError(outcome)


def done(works: Sequence[Callable[[], Value]], limit: int = 4) -> list[Outcome[object]]:
    """What came of each, in the order of the works."""
    return sorted(at_once(works, limit=limit, late=nobody), key=lambda outcome: outcome.number)


def value(what: object, *files: int) -> Value:
    return what, files


def test_values_of_any_size_come_back() -> None:
    large = os.urandom(1 << 20)
    assert [outcome.value for outcome in done([partial(value, large), partial(value, os.getpid())])] == [
        large,
        os.getpid(),
    ]


def test_each_has_a_process_of_its_own() -> None:
    pids = [outcome.value for outcome in done([lambda: (os.getpid(), ())] * 3)]
    assert len({*pids, os.getpid()}) == 4


def test_nothing_is_to_be_done() -> None:
    assert done([]) == []


def test_what_is_raised_is_told_and_holds_up_nobody() -> None:
    def refuse() -> Value:
        raise UsageError("no", hint="never")

    def fail() -> Value:
        raise ZeroDivisionError

    refused, failed, fine = done([refuse, fail, partial(value, 1)])
    assert isinstance(refused.error, UsageError)
    assert (refused.error.message, refused.error.hint) == ("no", "never")
    assert isinstance(failed.error, ZeroDivisionError)
    assert "in fail" in failed.error.__notes__[0], "where it was raised"
    assert (fine.value, fine.error) == (1, None)


def test_one_that_dies_is_told() -> None:
    def die() -> Value:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    died, fine = done([die, partial(value, 1)])
    assert isinstance(died.error, WorkerDiedError)
    assert fine.value == 1


def test_no_more_than_the_limit_run(tmp_path: Path) -> None:
    def work() -> Value:
        mine = tmp_path / str(os.getpid())
        mine.touch()
        time.sleep(0.1)
        count = len(list(tmp_path.iterdir()))
        mine.unlink()
        return count, ()

    assert {outcome.value for outcome in done([work] * 6, limit=2)} <= {1, 2}


def test_a_lock_is_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def take() -> Value:
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return None, (fd,)

    (outcome,) = done([take])
    (fd,) = outcome.files
    assert not os.get_inheritable(fd)
    with path.open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_who_loses_interest_calls_them_off(tmp_path: Path) -> None:
    def undone() -> Value:
        try:
            time.sleep(60)
        except CalledOffError:
            (tmp_path / "undone").touch()
            raise
        raise AssertionError

    begin = time.monotonic()
    works: list[Callable[[], Value]] = [undone, partial(value, 1)]
    with closing(at_once(works, limit=2, late=nobody)) as outcomes:
        assert next(outcomes).value == 1
    assert (tmp_path / "undone").exists()
    assert time.monotonic() - begin < 30


def test_one_that_is_done_in_spite_of_it_is_told() -> None:
    def stubborn() -> Value:
        try:
            time.sleep(60)
        except CalledOffError:
            return "done", ()
        raise AssertionError

    late: list[object] = []
    works: list[Callable[[], Value]] = [stubborn, partial(value, 1)]
    with closing(at_once(works, limit=2, late=lambda outcome: late.append(outcome.value))) as outcomes:
        assert next(outcomes).value == 1
    assert late == ["done"]


def test_what_a_terminal_sends_to_all_is_not_theirs() -> None:
    def hit() -> Value:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        return "alive", ()

    assert [outcome.value for outcome in done([hit])] == ["alive"]
