"""The SSH keys of a pod."""

from __future__ import annotations

import base64
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.state.records import record
from vmpod.errors import HostError
from vmpod.state.keys import Keys, keys


def _public_of(private: Path) -> str:
    """As OpenSSH derives it from a private key."""
    done = subprocess.run(["ssh-keygen", "-y", "-f", private], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()[1]


def _words(data: bytes) -> list[bytes]:
    """The strings of an SSH message (RFC 4251, 5)."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def test_they_fit_together_and_are_nobody_elses(tmp_path: Path) -> None:
    own = keys(record(), tmp_path)
    assert _public_of(own.client) == own.authorized().split()[1]
    kind, both = _words(own.secret())
    assert kind == b"ssh-ed25519"
    assert len(both) == 64
    assert _words(base64.b64decode(own.expected())) == [b"ssh-ed25519", both[32:]]
    assert own.known_hosts.read_text() == f"{own.alias} ssh-ed25519 {own.expected()}\n"
    assert own.expected() != own.authorized().split()[1]
    assert stat.S_IMODE(own.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in own.directory.iterdir()} == {0o600}
    assert list(tmp_path.iterdir()) == [own.directory]


def test_they_stay(tmp_path: Path) -> None:
    first = keys(record(), tmp_path).secret()
    assert keys(record(), tmp_path).secret() == first


def test_each_pod_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = keys(record(), tmp_path / "a"), keys(record(), tmp_path / "b")
    assert a.secret() != b.secret()
    assert a.authorized() != b.authorized()


def test_who_makes_them_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: keys(record(), tmp_path).secret(), range(8)))
    assert len(set(found)) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"a ssh-ed25519 AAAA\n", b"vmpod-web ssh-ed25519\n", b"\xff"])
def test_a_damaged_list_of_hosts_is_told(content: bytes, tmp_path: Path) -> None:
    own = keys(record(), tmp_path)
    own.known_hosts.write_bytes(content)
    with pytest.raises(HostError, match="known_hosts does not name"):
        own.expected()


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    own: Keys = keys(record(), tmp_path)
    own.host.unlink()
    with pytest.raises(HostError, match="host_key cannot be read") as error:
        own.secret()
    assert str(own.directory) in (error.value.hint or "")
