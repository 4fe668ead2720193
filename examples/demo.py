"""The parts of `./dev demo` that a shell is bad at.

demo.py port WANTED            print that TCP port, or a free one where it is taken
demo.py ask POD PORT STARTED   ask the pod's web server; show the answer, and where the time went since
                               STARTED (seconds since the epoch)
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

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


def ask(name: str, port: str, started: float) -> None:
    """Print the answer, and the timeline."""
    url = f"http://127.0.0.1:{port}/"
    # At once: the pod is ready when it answers, which its startup probe has seen to.
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            text = response.read(65536).decode(errors="replace")
    except OSError as error:
        sys.exit(f"{url} does not answer: {error}")
    seconds = time.time() - started
    print(f"{url} says:\n")
    print("".join(f"    {line}\n" for line in text.splitlines()))
    print(
        f"That was {seconds:.1f} s after the command. Where they went (vmpod timeline {name}):\n", flush=True
    )
    subprocess.run([VMPOD, "timeline", name], check=True)


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
