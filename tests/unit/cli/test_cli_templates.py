"""`vmpod template`, of what is on disk."""

from __future__ import annotations

import os

from tests.unit.cli.conftest import Vmpod
from tests.unit.template.test_template_store import MACHINE
from vmpod.paths import default_paths
from vmpod.template.attempts import attempt


def test_what_could_not_be_made_is_told(vmpod: Vmpod) -> None:
    with attempt(default_paths().template_attempts, MACHINE) as log:
        os.write(log, b"vmpod: no room [disk-full]\n")
        assert vmpod("template", "ls").err == ""
    result = vmpod("template", "ls")
    assert result.err.startswith("the last attempt to make one of 512 MiB, 1 CPUs, 0 shares (tcg) failed ")
    assert result.err.endswith(" ago: no room [disk-full]\n")
    assert vmpod("template", "ls", "-q").err == ""
