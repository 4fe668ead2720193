"""The host's own credentials stay on the host: not even in the memory of a machine is a trace of them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.machine.harness import Vmpod
from tests.machine.manifests import container, pod
from tests.machine.pods import Pods

PASSWORD = "planted-3f9c-of-the-host"
CONTROL = "control-7b21-of-the-pod"
_LOGIN = base64.b64encode(f"user:{PASSWORD}".encode())
_CHUNK = 1 << 24


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of another process")
def test_no_credential_of_the_host_enters_the_guest(vmpod: Vmpod, pods: Pods, tmp_path: Path) -> None:
    """They are in an auth file and in proxy variables, where skopeo finds them."""
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {"registry.example": {"auth": _LOGIN.decode()}}}))
    proxy = f"http://user:{PASSWORD}@127.0.0.1:1"
    variables = {
        "REGISTRY_AUTH_FILE": str(auth),
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        "all_proxy": proxy,
    }
    client = replace(vmpod, environment=variables)
    document = pod("clean", container("main", "env; sleep 3600", env=[{"name": "WORD", "value": CONTROL}]))
    pods.expect(document)
    name = Pods(client).start(document)

    record = vmpod.record(name)
    pid = vmpod.qemu(name)
    assert PASSWORD not in vmpod("logs", name).text
    assert PASSWORD not in vmpod.exec(name, "sh", "-c", "cat /proc/*/environ /proc/*/cmdline; env").text
    for place in (vmpod.pod_directory(name), Path(record["sockets"])):
        for path in filter(Path.is_file, place.rglob("*")):
            assert not any(map(found, written(path))), path
    for kind in ("cmdline", "environ"):
        assert not found(Path(f"/proc/{pid}/{kind}").read_bytes())
    # QEMU's memory, the guest's in it: what was given to it in any way whatever is there.
    seen = False
    for piece in memory(pid):
        seen |= CONTROL.encode() in piece
        assert not found(piece)
    assert seen, "the pod's own word is not there, so nothing is shown"


def found(data: bytes) -> bool:
    """Whether a credential is in it, as it is or encoded."""
    return PASSWORD.encode() in data or _LOGIN in data


def written(path: Path) -> Iterator[bytes]:
    """What a file holds, without its holes, which may be 64 GB."""
    with path.open("rb", buffering=0) as file:
        end = 0
        with contextlib.suppress(OSError):
            while True:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
                for place in range(start, end, _CHUNK):
                    yield os.pread(file.fileno(), min(_CHUNK + 64, end - place), place)


def memory(pid: int) -> Iterator[bytes]:
    """What a process can read and write, in pieces that overlap."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match is None:
                continue
            start, end = (int(each, 16) for each in match.groups())
            for place in range(start, end, _CHUNK):
                try:
                    yield os.pread(file.fileno(), min(_CHUNK + 64, end - place), place)
                except OSError:
                    continue  # a device's, or gone
