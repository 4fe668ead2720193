"""The SSH keys of a pod: its user's and its machine's.

They are made when they are first asked for, in the pod's directory, and go with it. A copy of a pod has a
directory of its own, and so keys of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vmpod.dataclass import dataclass
from vmpod.errors import HostError
from vmpod.state.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_DIRECTORY = "ssh"
_KNOWN_HOSTS, _CLIENT, _HOST = "known_hosts", "id_ed25519", "host_key"
_KIND = b"ssh-ed25519"


@dataclass(frozen=True)
class Keys:
    """Files, in OpenSSH's formats but for one.

    client: the user's private key, its public one beside it. host: the machine's private key, as its server
    reads it. known_hosts: the one key by which the machine is known, under the name of alias.
    """

    directory: Path
    alias: str

    @property
    def client(self) -> Path:
        return self.directory / _CLIENT

    @property
    def host(self) -> Path:
        return self.directory / _HOST

    @property
    def known_hosts(self) -> Path:
        return self.directory / _KNOWN_HOSTS

    def authorized(self) -> str:
        """The line that lets the user in. Raises HostError."""
        return _read(self.client.with_suffix(".pub")).decode(errors="replace")

    def secret(self) -> bytes:
        """The machine's private key. Raises HostError."""
        return _read(self.host)

    def expected(self) -> str:
        """The public key that the machine has to show, in base64. Raises HostError."""
        for line in _read(self.known_hosts).decode(errors="replace").splitlines():
            words = line.split()
            if len(words) >= 3 and words[0] == self.alias:
                return words[2]
        raise HostError(f"{self.known_hosts} does not name {self.alias}", hint=_anew(self.directory))


def keys(record: Record, directory: Path) -> Keys:
    """The keys of the pod that is kept in a directory; made if there are none. Raises HostError, OSError."""
    found = Keys(directory / _DIRECTORY, record.machine_name)
    if not found.directory.is_dir():
        _make(found)
    return found


def _make(wanted: Keys) -> None:
    """Make all of them; whoever does so at the same time, all take those of the first."""
    new = Keys(Path(tempfile.mkdtemp(prefix=".ssh.", dir=wanted.directory.parent)), wanted.alias)
    try:
        client, host = _generate(), _generate()
        _write(new.client, _for_openssh(client))
        _write(new.client.with_suffix(".pub"), _public(client) + b" vmpod\n")
        _write(new.host, _for_dropbear(host))
        _write(new.known_hosts, wanted.alias.encode() + b" " + _public(host) + b"\n")
        new.directory.rename(wanted.directory)
    except OSError:
        if not wanted.directory.is_dir():
            raise
    finally:
        shutil.rmtree(new.directory, ignore_errors=True)


def _generate() -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - slow

    return Ed25519PrivateKey.generate()


def _for_openssh(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - slow

    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())


def _for_dropbear(key: Ed25519PrivateKey) -> bytes:
    """Two strings, each after its length: the kind; the private key with the public one behind it.

    Source: buf_put_ed25519_priv_key() in dropbear's ed25519.c.
    """
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return b"".join(len(part).to_bytes(4, "big") + part for part in (_KIND, both))


def _public(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - slow

    return key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)


def _write(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error}", hint=_anew(path.parent)) from None


def _anew(directory: Path) -> str:
    return f"remove {directory}: the next `vmpod ssh` makes new keys"
