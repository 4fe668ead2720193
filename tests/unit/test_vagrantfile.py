"""The Vagrantfile, as vagrant itself reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("vagrant") is None, reason="vagrant is not installed")


def validate(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("VMPOD")}
    own = {
        "VAGRANT_HOME": home / "home",
        "VAGRANT_DOTFILE_PATH": home / "dot",
        "VAGRANT_CHECKPOINT_DISABLE": 1,
    }
    words = {name: str(value) for name, value in own.items()}
    given = {f"VMPOD_VAGRANT_{name}": value for name, value in settings.items()}
    return subprocess.run(
        ["vagrant", "validate"],
        cwd=ROOT,
        env=ours | words | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("driver", ["kvm", "qemu"])
def test_it_is_valid(tmp_path: Path, driver: str) -> None:
    done = validate(tmp_path, DRIVER=driver, PORTS="8080,8443", CPUS="4", MEMORY="2048", BOX="some/box")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("name", "value"), [("MEMORY", "4G"), ("CPUS", "two"), ("PORTS", "80,x")])
def test_settings_are_checked(tmp_path: Path, name: str, value: str) -> None:
    done = validate(tmp_path, **{name: value})
    assert done.returncode != 0
    assert f"VMPOD_VAGRANT_{name}: '{value.rpartition(',')[2]}' is no whole number" in done.stdout
