"""Which secrets are known on this host.

Values of a pod's Secrets are kept nowhere: they are known as long as the manifest is where it was. What else
this user has, such as the logins of registries, is looked up, so that it is in no archive by accident.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from vmpod.dataclass import dataclass
from vmpod.errors import ManifestError
from vmpod.runtime.diag.redact import SENSITIVE
from vmpod.spec.load import load
from vmpod.spec.model import Manifest
from vmpod.state.record import Record

_MOST = 16 * 1024 * 1024  # bytes of a file
_AUTH_FILES = ("containers/auth.json", "docker/config.json")


@dataclass(frozen=True)
class Known:
    """values: to be looked for. missing: what of the pod's Secrets is not among them, '' for nothing.

    certain: whether those of its Secrets that can be named are.
    """

    values: frozenset[bytes]
    missing: str = ""
    certain: bool = True


def known(record: Record | None, file: Path | None, manifest: Manifest | None = None) -> Known:
    """What is known of a pod's secrets, and of this user's.

    file: a manifest that has its Secrets, None for the one it was run from; manifest: what it is made from,
    if that is at hand.
    """
    own = frozenset(_own(os.environ))
    if manifest is not None:
        return Known(own | frozenset(_of(manifest)))
    if record is None or not (record.secrets or file):
        return Known(own)
    path = file or (Path(record.manifest) if record.manifest else None)
    if path is None:
        return Known(
            own, "the pod was run from standard input, and has Secrets: their values are not known", False
        )
    try:
        with path.open("rb") as source:
            found = load(source.read(_MOST).decode(), source=str(path))
            changed = os.fstat(source.fileno()).st_mtime
    except (OSError, UnicodeDecodeError, ManifestError) as error:
        told = str(error).partition("\n")[0]
        return Known(own, f"the pod's Secrets cannot be read, so their values are not known: {told}", False)
    values = own | frozenset(_of(found))
    if file is None and changed > datetime.fromisoformat(record.created).timestamp() + 1:
        return Known(values, f"{path} has changed since the pod was made: values it had before are not known")
    return Known(values)


def _of(manifest: Manifest) -> Iterator[bytes]:
    for secret in manifest.secrets.values():
        for value in secret.data.values():
            yield value
            yield from _logins(value)


def _own(environ: Mapping[str, str]) -> Iterator[bytes]:
    """Passwords of proxies and registries, and variables that are called like secrets."""
    for name, value in environ.items():
        if name.lower().endswith("_proxy"):
            yield from _password(value)
        elif SENSITIVE.search(name) and "/" not in value:
            yield value.encode(errors="replace")
    for path in _auth_files(environ):
        try:
            with path.open("rb") as file:
                yield from _logins(file.read(_MOST))
        except OSError:
            continue


def _password(address: str) -> Iterator[bytes]:
    try:
        found = urlsplit(address).password
    except ValueError:
        return
    if found:
        yield found.encode()
        yield unquote(found).encode()


def _auth_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where skopeo looks for logins. Source: containers-auth.json(5)."""
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    for variable in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        if top := environ.get(variable):
            yield Path(top, _AUTH_FILES[0])
    yield Path(f"/run/containers/{os.geteuid()}/auth.json")
    if home := environ.get("HOME"):
        yield from (Path(home, f".config/{_AUTH_FILES[0]}"), Path(home, f".{_AUTH_FILES[1]}"))


def _logins(content: bytes) -> Iterator[bytes]:
    """Passwords and tokens of a file as `podman login` writes it; nothing of any other text."""
    try:
        auths = json.loads(content)["auths"]
        entries = list(auths.values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    for entry in entries:
        yield from _login(entry)


def _login(entry: Any) -> Iterator[bytes]:
    if not isinstance(entry, dict):
        return
    for name in ("password", "identitytoken", "registrytoken", "auth"):
        value = entry.get(name)
        if not isinstance(value, str):
            continue
        yield value.encode()
        if name == "auth":
            try:
                yield b64decode(value).partition(b":")[2]
            except ValueError:
                continue
