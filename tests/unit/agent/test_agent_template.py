"""A machine that waits to be copied."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from vmpod_agent import template


def test_it_is_copied_once_the_kernel_has_heard_of_its_card(tmp_path: Path) -> None:
    state = tmp_path / "operstate"
    state.write_text("down\n")
    timer = threading.Timer(0.3, lambda: state.write_text("up\n"))
    timer.start()
    template.settle(str(state))
    assert state.read_text() == "up\n"
    timer.join()


def test_a_card_of_which_nothing_is_known_is_waited_for_a_while(tmp_path: Path) -> None:
    state = tmp_path / "operstate"
    state.write_text("unknown\n")
    begin = time.monotonic()
    template.settle(str(state), seconds=0.2)
    assert time.monotonic() - begin >= 0.2
