"""The parts of `./dev demo` that a shell is bad at.

demo.py port WANTED            print that TCP port, or a free one where it is taken
demo.py ask POD PORT STARTED   ask the pod's web server until it answers; show the answer, and where
                               the time went since STARTED (seconds since the epoch)
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

# The pod is ready when its containers run; the servers in them may need a little longer, under
# emulation much longer.
PATIENCE = 60.0  # seconds
VMPOD = Path(sys.executable).with_name("vmpod")


def free_port(wanted: int) -> int:
    """The wanted port of 127.0.0.1 if nobody listens there, else one that nobody listens on."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    sys.exit("there is no free port on 127.0.0.1")


def answer(url: str) -> str:
    """What the server says, once it says it. Exits with its last words if that takes too long."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                body: bytes = response.read(65536)
                return body.decode(errors="replace")
        # The port is open before the server is: until then connections are closed at once.
        except (OSError, urllib.error.URLError) as error:
            said = (
                error.read(2000).decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
            )
            if time.monotonic() > end:
                sys.exit(f"{url} did not answer within {PATIENCE:g} seconds: {error}\n{said}")
            time.sleep(0.1)


def steps(pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What happened, each with its time as the pod's status has it (RFC 3339)."""
    status = pod["status"]
    yield status["startTime"], "the machine has booted"
    for each in status["initContainerStatuses"]:
        yield each["state"]["terminated"]["finishedAt"], f"init step {each['name']} has ended"
    for each in status["containerStatuses"]:
        yield each["state"]["running"]["startedAt"], f"{each['name']} runs"


def ask(name: str, port: str, started: float) -> None:
    """Print the answer, and the timeline."""
    url = f"http://127.0.0.1:{port}/"
    text = answer(url)
    ended = time.time()
    print(f"{url} says:\n")
    print("".join(f"    {line}\n" for line in text.splitlines()))
    got = subprocess.run([VMPOD, "get", name, "-o", "json"], check=True, stdout=subprocess.PIPE).stdout
    print("Seconds since the command:")
    times = [(datetime.fromisoformat(when).timestamp(), what) for when, what in steps(json.loads(got))]
    for when, what in sorted([*times, (ended, "PHP's answer is here")]):
        print(f"{when - started:6.1f}  {what}")


def main(argv: list[str]) -> None:
    """Do what the first word says."""
    match argv:
        case ["port", wanted]:
            print(free_port(int(wanted)))
        case ["ask", name, port, started]:
            ask(name, port, float(started))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)  # ./dev cleans up, and has nothing to add
