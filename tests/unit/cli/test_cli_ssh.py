"""What other SSH clients are told of a pod's machine, as OpenSSH itself understands it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Vmpod
from tests.unit.state.records import keep, record
from vmpod.state.store import PodStore


def understood(config: str, host: str, tmp_path: Path) -> dict[str, str]:
    """The settings that ssh has for a host."""
    path = tmp_path / "config"
    path.write_text(config)
    done = subprocess.run(["ssh", "-G", "-F", path, host], check=True, stdout=subprocess.PIPE, text=True)
    return dict(line.partition(" ")[::2] for line in done.stdout.splitlines())


def test_openssh_understands_the_stanzas(vmpod: Vmpod, pods: PodStore, tmp_path: Path) -> None:
    keep(pods, record("web"))
    keep(pods, record("web", namespace="shop"))
    config = vmpod("ssh-config", "web", "shop/web").out
    for host, pod in (("vmpod-web", "web"), ("vmpod-shop_web", "shop/web")):
        own = pods.find(pod).directory / "ssh"
        found = understood(config, host, tmp_path)
        assert found["user"] == "root"
        assert found["identityfile"] == str(own / "id_ed25519")
        assert found["userknownhostsfile"] == str(own / "known_hosts")
        assert found["hostkeyalias"] == host
        assert found["stricthostkeychecking"] == "true"
        assert found["identitiesonly"] == "yes"
        assert found["updatehostkeys"] == "false"
        words = shlex.split(found["proxycommand"])
        assert words[:2] == ["env", f"VMPOD_HOME={os.environ['VMPOD_HOME']}"]
        assert words[-3:] == ["ssh", "--stdio", pod]
        assert Path(words[2]).is_absolute()
    # It makes keys once.
    assert vmpod("ssh-config", "web", "shop/web").out == config
    assert "vmpod-other" not in config


def test_odd_paths_are_quoted(
    vmpod: Vmpod, pods: PodStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a home of 100%h"
    (tmp_path / "home").mkdir(exist_ok=True)
    home.symlink_to(tmp_path / "home")
    keep(pods, record("web"))
    monkeypatch.setenv("VMPOD_HOME", str(home))
    found = understood(vmpod("ssh-config", "web").out, "vmpod-web", tmp_path)
    assert Path(found["userknownhostsfile"]).is_file()
    # These ssh -G shows before % is replaced.
    assert "/a home of 100%%h/" in found["identityfile"]
    assert Path(found["identityfile"].replace("%%", "%")).is_file()
    assert f"VMPOD_HOME={home}".replace("%", "%%") in shlex.split(found["proxycommand"])


def test_pods_that_are_not_there_or_do_not_run(vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record("web"))
    for words in (["ssh-config", "web", "other"], ["ssh", "other"]):
        done = vmpod(*words)
        assert done.status == 125
        assert "there is no pod 'other' [not-found]" in done.err
        assert done.out == ""
    done = vmpod("ssh", "web", "--", "true")
    assert done.status == 125
    assert "the pod's machine is not running [machine]" in done.err


@pytest.mark.parametrize("words", [["-A"], ["-t"], ["--", "true"]])
def test_a_proxy_decides_nothing(words: list[str], vmpod: Vmpod, pods: PodStore) -> None:
    keep(pods, record("web"))
    done = vmpod("ssh", "--stdio", "web", *words)
    assert done.status == 125
    assert "--stdio goes with nothing else" in done.err


def test_an_agent_has_to_be_there(vmpod: Vmpod, pods: PodStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    keep(pods, record("web"))
    done = vmpod("ssh", "-A", "web")
    assert done.status == 125
    assert "SSH_AUTH_SOCK is not set [host]" in done.err
