"""`vmpod exec`: as if the command ran here."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from tests.machine.harness import Running, Vmpod, eventually
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods
from tests.machine.screen import terminal

NAME = "subject"
LARGE = 500_000_000


@pytest.fixture(scope="module")
def subject(vmpod: Vmpod, module_pods: Pods) -> str:
    """A pod that does nothing by itself."""
    idle = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"
    module_pods.start(
        pod(
            NAME,
            container("first", idle, env=[{"name": "WHO", "value": "first"}], workingDir="/tmp"),
            container("second", idle, env=[{"name": "WHO", "value": "second"}]),
        )
    )
    return NAME


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_exit_codes(vmpod: Vmpod, subject: str, status: int) -> None:
    """The command's own."""
    vmpod.exec(subject, "sh", "-c", f"exit {status}", status=status)


def test_killed_by_a_signal(vmpod: Vmpod, subject: str) -> None:
    """128 and the signal's number, as in a shell."""
    vmpod.exec(subject, "sh", "-c", "kill -9 $$", status=137)


def test_commands_that_cannot_run(vmpod: Vmpod, subject: str) -> None:
    """127, 126, and 125 where vmpod is at fault or used wrongly."""
    assert "nonsense" in vmpod.exec(subject, "nonsense", status=127).errors
    assert "/etc/passwd" in vmpod.exec(subject, "/etc/passwd", status=126).errors
    vmpod.exec(subject, "/bin", status=126)
    assert "no container 'third'" in vmpod("exec", "-c", "third", subject, "--", "true", status=125).errors
    assert "no pod 'nobody'" in vmpod("exec", "nobody", "--", "true", status=125).errors


def test_streams_are_apart(vmpod: Vmpod, subject: str) -> None:
    """stdout and stderr, bytes as they are."""
    done = vmpod.exec(subject, "sh", "-c", r"printf 'out\0\377'; printf 'err\r\n' >&2")
    assert (done.out, done.err) == (b"out\0\xff", b"err\r\n")


def test_where_and_as_what_it_runs(vmpod: Vmpod, subject: str) -> None:
    """In the first container unless told; with its environment and directory."""
    assert vmpod.exec(subject, "sh", "-c", "echo $WHO; pwd").lines == ["first", "/tmp"]
    assert vmpod("exec", "-c", "second", subject, "--", "sh", "-c", "echo $WHO; pwd").lines == ["second", "/"]
    # Options may follow the pod's name; what follows the two dashes is the command's.
    assert vmpod("exec", subject, "-c", "second", "--", "echo", "-c", "x").out == b"-c x\n"


def test_without_i_the_input_is_empty(vmpod: Vmpod, subject: str) -> None:
    """Nothing of ours is read."""
    assert vmpod.exec(subject, "cat", input=b"not for you").out == b""


def test_large_round_trip(vmpod: Vmpod, subject: str) -> None:
    """500 MB through `cat` and back come out unchanged: both ways at once, and no end of it is lost."""
    sent, received = hashlib.sha256(), hashlib.sha256()
    with vmpod.started("exec", "-i", subject, "--", "cat", stdin=subprocess.PIPE) as running:
        stdin, stdout = running.process.stdin, running.process.stdout
        assert stdin
        assert stdout

        def feed() -> None:
            with stdin:
                for block in _blocks():
                    sent.update(block)
                    stdin.write(block)

        feeder = threading.Thread(target=feed)
        feeder.start()
        size = 0
        while data := stdout.read(1 << 20):
            received.update(data)
            size += len(data)
        feeder.join()
        assert running.process.wait(60) == 0
    assert size == LARGE
    assert received.digest() == sent.digest()


def _blocks() -> Iterator[bytes]:
    """LARGE bytes, no two blocks of which are alike."""
    noise = random.Random(1).randbytes(1_000_000 - 8)
    for number in range(LARGE // 1_000_000):
        yield number.to_bytes(8, "big") + noise


def test_a_command_that_does_not_read_to_the_end(vmpod: Vmpod, subject: str) -> None:
    """It may end before its input does."""
    done = vmpod("exec", "-i", subject, "--", "head", "-c", "5", input=b"hello" + bytes(3_000_000))
    assert done.out == b"hello"


def test_input_from_a_file(vmpod: Vmpod, subject: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Regular files, which epoll does not know."""
    path = tmp_path_factory.mktemp("input") / "file"
    path.write_bytes(b"line\n" * 100_000)
    with (
        path.open("rb") as file,
        vmpod.started("exec", "-i", subject, "--", "wc", "-l", stdin=file.fileno()) as it,
    ):
        assert it.end().out.strip() == b"100000"


def test_a_slow_reader_is_waited_for(vmpod: Vmpod, subject: str) -> None:
    """Nothing is lost, and the rest of the pod goes on meanwhile."""
    with vmpod.started("exec", subject, "--", "sh", "-c", "seq 300000; echo end >&2") as slow:
        slow.wait_until_full()
        assert vmpod.exec(subject, "echo", "alive").out == b"alive\n"
        done = slow.end()
    assert done.out == b"".join(b"%d\n" % number for number in range(1, 300001))
    assert done.err == b"end\n"


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "INT"), (signal.SIGTERM, "TERM"), (signal.SIGUSR1, "USR1")]
)
def test_signals_are_forwarded(vmpod: Vmpod, subject: str, number: int, name: str) -> None:
    """The command gets what we get, and says what comes of it."""
    script = f"trap 'echo got {name}; exit 11' {name}; echo ready; while :; do sleep 0.1; done"
    with vmpod.started("exec", subject, "--", "sh", "-c", script) as running:
        running.until(b"ready\n")
        running.signal(number)
        done = running.end()
    assert (done.status, done.out) == (11, f"ready\ngot {name}\n".encode())


def test_a_signal_ends_what_does_not_catch_it(vmpod: Vmpod, subject: str) -> None:
    """As a shell tells it."""
    with vmpod.started("exec", subject, "--", "sh", "-c", "echo ready; exec sleep 1000") as running:
        running.until(b"ready\n")
        running.signal(signal.SIGTERM)
        assert running.end().status == 143


def test_a_killed_client_ends_the_command(vmpod: Vmpod, subject: str) -> None:
    """Nobody is left to look after it."""
    with vmpod.started("exec", subject, "--", "sh", "-c", "echo ready; sleep 54321") as running:
        running.until(b"ready\n")
        assert "54321" in vmpod.exec(subject, "ps", "-o", "args").text
        running.signal(signal.SIGKILL)
        running.process.wait()
    eventually(
        lambda: "54321" not in vmpod.exec(subject, "ps", "-o", "args").text,
        "the end of the command in the guest",
    )


def test_more_at_once_than_there_are_ports(vmpod: Vmpod, subject: str) -> None:
    """Eight at a time; the others wait for one to end."""
    with _all(
        vmpod.started("exec", subject, "--", "sh", "-c", f"sleep 1; echo {number}") for number in range(10)
    ) as running:
        assert [each.end().out for each in running] == [b"%d\n" % number for number in range(10)]


def test_a_background_child_is_not_waited_for(vmpod: Vmpod, subject: str) -> None:
    """It keeps the output open, and the command has ended all the same."""
    done = vmpod.exec(subject, "sh", "-c", "sleep 3600 & echo done")
    assert done.out == b"done\n"
    vmpod.exec(subject, "killall", "sleep", status=0)


def test_terminal(vmpod: Vmpod, subject: str) -> None:
    """Its size is right from the first frame, follows ours, and keys do what they do."""
    script = (
        'stty size; while [ "$(stty size)" = "37 111" ]; do sleep 0.1; done; stty size; '
        "cat; echo left $?; exit 5"
    )
    with terminal(vmpod, 37, 111, "exec", "-it", subject, "--", "sh", "-c", script) as screen:
        screen.until("37 111\r\n")
        screen.resize(50, 120)
        screen.until("50 120\r\n")
        screen.type("typed\n")
        screen.until("typed\r\ntyped\r\n")
        screen.type("\x04")
        screen.until("left 0\r\n")
        assert screen.running.process.wait(60) == 5
        assert screen.settings() == screen.before, "the terminal should be as it was"


def test_interrupt_key_in_a_terminal(vmpod: Vmpod, subject: str) -> None:
    """Ctrl-C is the command's, not ours."""
    script = "trap 'echo caught; exit 6' INT; echo ready; while :; do sleep 0.1; done"
    with terminal(vmpod, 24, 80, "exec", "-it", subject, "--", "sh", "-c", script) as screen:
        screen.until("ready\r\n")
        screen.type("\x03")
        screen.until("caught\r\n")
        assert screen.running.process.wait(60) == 6


def test_terminal_without_input(vmpod: Vmpod, subject: str) -> None:
    """-t alone: the command sees a terminal, and we need none."""
    done = vmpod("exec", "-t", subject, "--", "sh", "-c", "tty; test -t 1 && echo yes")
    assert done.text.splitlines()[1] == "yes"


@contextmanager
def _all(contexts: Iterable[AbstractContextManager[Running]]) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        yield [stack.enter_context(each) for each in contexts]
